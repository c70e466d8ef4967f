// The same requests as client.py, with Node's http client on one connection: client.mjs PORT.

import { Agent, request } from "node:http";

const port = Number(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const LONG = Buffer.from(Array.from({ length: 256 * 4096 }, (_, at) => at % 256));
const sockets = new Set();

function ask(step, method, path, pieces = [], headers = {}) {
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, agent, method, path, headers }, async (response) => {
      sockets.add(response.socket.localPort);
      const parts = [];
      for await (const part of response) parts.push(part);
      const body = Buffer.concat(parts);
      console.log(JSON.stringify([step, response.statusCode, body.equals(LONG) ? "the same" : body.toString()]));
      resolve();
    });
    asking.on("error", reject);
    for (const piece of pieces) asking.write(piece);
    asking.end();
  });
}

await ask("get", "GET", "/hello");
await ask("head", "HEAD", "/hello");
await ask("missing", "GET", "/missing");
await ask("stream", "GET", "/stream");
await ask("post", "POST", "/echo", ["posted"], { "Content-Length": 6 });
await ask("chunks", "POST", "/echo", ["in ", "three ", "pieces"]);
await ask("long", "POST", "/echo", [LONG], { "Content-Length": LONG.length });
await ask("delete", "DELETE", "/nothing");
await ask("again", "GET", "/hello");
console.log(JSON.stringify(["one connection", 0, String(sockets.size === 1)]));
agent.destroy();
