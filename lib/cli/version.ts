import { createRequire } from 'node:module';

/** The version in package.json; from lib/cli (tests) and from dist/cli it is two levels up. */
export const version: string = createRequire(import.meta.url)('../../package.json').version;
