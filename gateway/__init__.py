"""A self-hosted payment gateway, built as a house of floors.

    app, cli, wsgi    the roof: puts the house together; bench measures it,
                      fill and pictures furnish and show it
    api  dashboard    FLOOR 4: the faces. Who asks, read the input, call one
    checkout  jobs             verb, word the answer; jobs claim, go outside, record
    domain            FLOOR 3: every rule. Modules are nouns, functions are verbs
    models  adapters  FLOOR 2: the tables; the only code that talks to the outside;
    web                        the manners the HTML and JSON faces share
    core              FLOOR 1: config, clock, money, errors, crypto, database, queue

Imports run downwards only; `import-linter` holds the walls (pyproject.toml).

Faces ask, the domain decides, the row waits, the queue rings, the worker goes
outside.
"""
