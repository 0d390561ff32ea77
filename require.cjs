// require('audio2vec'): the package consists of ES modules, which Node 20.19, 22.12 and newer can require.
if (!process.features.require_module) {
  throw new Error(
    `audio2vec is an ES module, which Node ${process.version} cannot require(). ` +
      'Use "const audio2vec = await import(\'audio2vec\')", or Node 20.19, 22.12 or newer.',
  );
}
module.exports = require('./dist/index.js');
