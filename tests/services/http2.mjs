// The same service as service.py in HTTP/2 with prior knowledge, with Node's http2 module.

import { createServer } from "node:http2";

const server = createServer();
server.on("stream", (stream, head) => {
  stream.on("error", () => {});
  const pieces = [];
  stream.on("data", (piece) => pieces.push(piece));
  stream.on("end", () => {
    if (head[":method"] === "POST") {
      stream.respond({ ":status": 201 });
      stream.end(Buffer.concat(pieces));
    } else if (head[":path"] === "/stream") {
      stream.respond({ ":status": 200 });
      for (const piece of ["one ", "two ", "three"]) stream.write(piece);
      stream.end();
    } else if (head[":path"] === "/hello") {
      stream.respond({ ":status": 200, "content-length": 5 });
      stream.end("hello");
    } else {
      stream.respond({ ":status": 404 });
      stream.end("not here");
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log("listening on", server.address().port));
