export * from './errors.js';
export { type Capabilities, capabilities } from './native.js';
