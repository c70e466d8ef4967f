// The same service as service.py, with Node's http module.

import { createServer } from "node:http";

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function answer(request, response) {
  if (request.method === "DELETE") {
    response.writeHead(204).end();
  } else if (request.method === "POST" || request.method === "PUT") {
    const body = await bodyOf(request);
    response.writeHead(201, { "Content-Length": body.length }).end(body);
  } else if (request.url === "/stream") {
    response.writeHead(200);
    for (const piece of ["one ", "two ", "three"]) response.write(piece);
    response.end();
  } else if (request.url === "/hello") {
    response.writeHead(200, { "Content-Length": 5 }).end("hello");
  } else {
    response.writeHead(404, { "Content-Length": 8 }).end("not here");
  }
}

const server = createServer(answer);
server.listen(0, "127.0.0.1", () => console.log("listening on", server.address().port));
