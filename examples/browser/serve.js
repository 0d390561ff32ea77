// node serve.js MODEL.onnx: the page on http://localhost:8080 (PORT). Browsers give the microphone to localhost and to
// https only.
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';

const types = { html: 'text/html', js: 'text/javascript', mjs: 'text/javascript', wasm: 'application/wasm' };
const here = dirname(fileURLToPath(import.meta.url));
const runtime = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));

/** @param model path of the exported file */
export function pageServer(model) {
  return createServer((request, response) => {
    // Nothing but these names is ever served.
    const [, folder = '', file] = /^\/(onnxruntime-web\/)?([\w.-]*)$/.exec(request.url) ?? [];
    const path =
      file === undefined || file.startsWith('.')
        ? undefined
        : file === 'model.onnx'
          ? model
          : join(folder ? runtime : here, file || 'index.html');
    const stream = path && createReadStream(path);
    if (!stream) return response.writeHead(404).end();
    const notFound = () => response.writeHead(404).end();
    stream.once('error', notFound);
    stream.once('open', () => {
      stream.off('error', notFound); // later errors, as when the client leaves, are the pipeline's
      const type = types[(file || 'index.html').split('.').pop()] ?? 'application/octet-stream';
      response.writeHead(200, { 'content-type': type });
      pipeline(stream, response, () => {});
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [model] = process.argv.slice(2);
  if (!model) throw new Error('Name a model: node serve.js model.onnx');
  const port = Number(process.env.PORT ?? 8080);
  pageServer(model).listen(port, 'localhost', () => console.log(`http://localhost:${port}`));
}
