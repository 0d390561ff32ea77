// require('audio2vec/engine'): see require.cjs.
require('./require.cjs');
module.exports = require('./dist/engine/index.js');
