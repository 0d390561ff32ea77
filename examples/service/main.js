// node main.js [FOLDER]: serves on PORT (8080) with the pretrained encoder, or with MODEL; FOLDER is indexed first.
import { Encoder, readFolder } from 'audio2vec';
import { NeighbourIndex } from './neighbour-index.js';
import { buildService } from './service.js';

const { PORT = '8080', HOST = '127.0.0.1', MODEL } = process.env;
const encoder = MODEL ? await Encoder.load(MODEL) : await Encoder.pretrained();
const index = new NeighbourIndex(encoder.dimension);
const app = buildService(encoder, index, { logger: true });

const [folder] = process.argv.slice(2);
if (folder) {
  app.log.info(`indexing ${folder}`);
  for await (const { file, samples, error } of readFolder(folder)) {
    if (error) app.log.warn(error.message);
    else await index.set(file, await encoder.sceneEmbedding(samples));
  }
  app.log.info(`${index.size} recordings indexed`);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close());
await app.listen({ port: Number(PORT), host: HOST });
