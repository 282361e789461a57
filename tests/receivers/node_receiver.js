// A webhook receiver as merchants publish them: it parses the body, writes it
// again with JSON.stringify and signs that. It holds only for bodies which
// JSON.parse and JSON.stringify give back unchanged.
//
//   node node_receiver.js <port, 0 for any> <secret> [fail]
//
// Prints `listening <port>`, then one JSON line for each POST /webhook. With
// `fail` it answers 500 to all of them and adds the time in ms.
"use strict";

const crypto = require("node:crypto");
const http = require("node:http");

const MAX_BODY_BYTES = 1024 * 1024;
const [port = "0", secret, mode] = process.argv.slice(2);

if (!secret) {
  console.error("usage: node node_receiver.js <port> <secret> [fail]");
  process.exit(2);
}

function isSigned(parsed, signature) {
  const expected = crypto.createHmac("sha256", secret).update(JSON.stringify(parsed)).digest("hex");
  const given = Buffer.from(signature || "", "utf8");
  return given.length === expected.length && crypto.timingSafeEqual(given, Buffer.from(expected, "utf8"));
}

function parse(raw) {
  try {
    return JSON.parse(raw.toString("utf8"));
  } catch {
    return undefined;
  }
}

function receive(headers, raw) {
  const parsed = parse(raw);
  const isJson = parsed !== undefined;
  return {
    ok: isJson && isSigned(parsed, headers["x-webhook-signature"]),
    same_bytes: isJson && Buffer.from(JSON.stringify(parsed), "utf8").equals(raw),
    event: parsed?.event ?? null,
    id: parsed?.id ?? null,
    payment_id: parsed?.data?.payment?.id ?? null,
    attempt: Number.parseInt(headers["x-webhook-attempt"], 10) || null,
    body_length: raw.length,
    ...(mode === "fail" && { at_ms: Date.now() }),
  };
}

const server = http.createServer((request, response) => {
  const answer = (status, text) => response.writeHead(status, { "Content-Type": "text/plain" }).end(text);
  if (request.method !== "POST" || request.url !== "/webhook") return answer(404, "POST /webhook");

  const chunks = [];
  let length = 0;
  request.on("data", (chunk) => {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return request.destroy();
    chunks.push(chunk);
  });
  request.on("end", () => {
    const seen = receive(request.headers, Buffer.concat(chunks));
    process.stdout.write(JSON.stringify(seen) + "\n");
    if (mode === "fail") return answer(500, "failing on purpose");
    return seen.ok ? answer(200, "OK") : answer(401, "Invalid signature");
  });
});

server.listen(Number(port), "127.0.0.1", () => console.log(`listening ${server.address().port}`));
