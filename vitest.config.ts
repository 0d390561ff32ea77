import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The examples import the package by its name; in tests that is the sources.
  resolve: {
    alias: {
      'audio2vec/engine': new URL('lib/engine/index.ts', import.meta.url).pathname,
      audio2vec: new URL('lib/index.ts', import.meta.url).pathname,
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    maxWorkers: 2,
    setupFiles: ['test/helpers/emulated.ts'],
  },
});
