"""Code that merchants copy: a call of the API in several languages, from one description of it.

Standard libraries only, so that whoever copies a snippet can run it as it is;
the tests do.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LANGUAGES = {"curl": "curl", "python": "Python", "node": "Node", "php": "PHP"}


@dataclass(frozen=True)
class Account:
    """Whose keys the code carries, and where it calls."""

    api_url: str
    key: str
    secret: str


@dataclass(frozen=True)
class Call:
    """One request, and what to print of its answer: fields of an object, or of each row of a list."""

    method: str
    path: str
    prints: tuple[str, ...]
    body: Mapping[str, Any] | None = None
    idempotency_key: str | None = None
    is_list: bool = False

    def headers(self, account: Account) -> dict[str, str]:
        found = {"X-Api-Key": account.key, "X-Api-Secret": account.secret}
        if self.body is not None:
            found["Content-Type"] = "application/json"
        if self.idempotency_key is not None:
            found["Idempotency-Key"] = self.idempotency_key
        return found


def in_every_language(call: Call, account: Account) -> dict[str, str]:
    writers = {"curl": _curl, "python": _python, "node": _node, "php": _php}
    return {language: writers[language](call, account) for language in LANGUAGES}


def _curl(call: Call, account: Account) -> str:
    words = [f"curl --request {call.method} {shlex.quote(account.api_url + call.path)}"]
    words += [f"--header {shlex.quote(f'{name}: {value}')}" for name, value in call.headers(account).items()]
    if call.body is not None:
        words.append(f"--data {shlex.quote(json.dumps(call.body, ensure_ascii=False))}")
    return " \\\n  ".join(words)


def _python(call: Call, account: Account) -> str:
    arguments = [f'    "{account.api_url}{call.path}",', f'    method="{call.method}",']
    arguments.append(f"    headers={_object(call.headers(account), 4)},")
    if call.body is not None:
        arguments.append(f"    data=json.dumps({_object(call.body, 4)}).encode(),")
    if call.is_list:
        fields = ", ".join(f'row["{name}"]' for name in call.prints)
        prints = f'for row in answer["data"]:\n    print({fields})'
    else:
        fields = ", ".join(f'answer["{name}"]' for name in call.prints)
        prints = f"print({fields})"
    return "\n".join(
        [
            "import json",
            "import urllib.request",
            "",
            "request = urllib.request.Request(",
            *arguments,
            ")",
            "with urllib.request.urlopen(request, timeout=10) as response:",
            "    answer = json.load(response)",
            prints,
        ]
    )


def _node(call: Call, account: Account) -> str:
    options = [f'  method: "{call.method}",', f"  headers: {_object(call.headers(account), 2)},"]
    if call.body is not None:
        options.append(f"  body: JSON.stringify({_object(call.body, 2)}),")
    if call.is_list:
        fields = ", ".join(f"row.{name}" for name in call.prints)
        prints = f"for (const row of answer.data) console.log({fields});"
    else:
        fields = ", ".join(f"answer.{name}" for name in call.prints)
        prints = f"console.log({fields});"
    return "\n".join(
        [
            f'const response = await fetch("{account.api_url}{call.path}", {{',
            *options,
            "});",
            "const answer = await response.json();",
            "if (!response.ok) throw new Error(answer.error.description);",
            prints,
        ]
    )


def _php(call: Call, account: Account) -> str:
    headers = [f'        "{name}: {value}",' for name, value in call.headers(account).items()]
    options = [f'    "method" => "{call.method}",', '    "header" => [', *headers, "    ],"]
    if call.body is not None:
        body = _object(call.body, 4, opening="[", arrow=" => ", closing="]")
        options.append(f'    "content" => json_encode({body}),')
    source = "$row" if call.is_list else "$answer"
    prints = "echo " + ', " ", '.join(f'{source}["{name}"]' for name in call.prints) + ', "\\n";'
    if call.is_list:
        prints = 'foreach ($answer["data"] as $row) {\n    ' + prints + "\n}"
    return "\n".join(
        [
            "<?php",
            '$context = stream_context_create(["http" => [',
            *options,
            '    "timeout" => 10,',
            "]]);",
            f'$response = file_get_contents("{account.api_url}{call.path}", false, $context);',
            "$answer = json_decode($response, true);",
            prints,
        ]
    )


def _object(
    values: Mapping[str, Any], indent: int, *, opening: str = "{", arrow: str = ": ", closing: str = "}"
) -> str:
    """An object of texts and numbers, one to a line; Python and JavaScript write them alike."""
    lines = [
        f"{' ' * (indent + 2)}{json.dumps(name)}{arrow}{json.dumps(value)}," for name, value in values.items()
    ]
    return "\n".join([opening, *lines, " " * indent + closing])
