// Keys that two clients have in common and nobody else: X25519 (RFC 7748), then HKDF with SHA-256 (RFC 5869).
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { Audio2VecError } from '../../util/errors.js';

export interface KeyPair {
  /** 32 bytes. */
  publicKey: Uint8Array;
  privateKey: KeyObject;
}

// What stands before the 32 bytes of a key in the forms that node:crypto reads (RFC 8410).
const publicHead = Buffer.from('302a300506032b656e032100', 'hex');
const privateHead = Buffer.from('302e020100300506032b656e04220420', 'hex');

export function newKeyPair(): KeyPair {
  return pairOf(generateKeyPairSync('x25519').privateKey);
}

/** The pair of a private key of 32 bytes. */
export function keyPair(privateKey: Uint8Array): KeyPair {
  const key = Buffer.concat([privateHead, privateKey]);
  return pairOf(createPrivateKey({ key, format: 'der', type: 'pkcs8' }));
}

/** A private key as 32 bytes. */
export function privateBytes({ privateKey }: KeyPair): Uint8Array {
  return rawKey(privateKey.export({ type: 'pkcs8', format: 'der' }));
}

function pairOf(privateKey: KeyObject): KeyPair {
  return { privateKey, publicKey: rawKey(createPublicKey(privateKey).export({ type: 'spki', format: 'der' })) };
}

/** 32 bytes that both owners of the keys find, a different secret for each `purpose`.
 * @throws `ERR_SECURE` for a public key that is none */
export function commonSecret({ privateKey }: KeyPair, publicKey: Uint8Array, purpose: string): Uint8Array {
  let agreed: Buffer;
  try {
    const other = createPublicKey({ key: Buffer.concat([publicHead, publicKey]), format: 'der', type: 'spki' });
    agreed = diffieHellman({ privateKey, publicKey: other });
  } catch (cause) {
    throw new Audio2VecError('ERR_SECURE', 'A public key of a client is none.', { cause });
  }
  return new Uint8Array(hkdfSync('sha256', agreed, new Uint8Array(), `audio2vec ${purpose}`, 32));
}

function rawKey(der: Buffer): Uint8Array {
  return new Uint8Array(der.subarray(-32));
}

/** AES-256-GCM: nonce, text, tag. `about` is not in it, but must be the same to open it. */
export function seal(secret: Uint8Array, text: Uint8Array, about: string): Uint8Array {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(Buffer.from(about));
  return new Uint8Array(Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]));
}

/** Opens what {@link seal} made. Throws `ERR_SECURE` if it was changed or meant for somebody else. */
export function open(secret: Uint8Array, sealed: Uint8Array, about: string): Uint8Array {
  try {
    const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(0, 12), { authTagLength: 16 });
    decipher.setAAD(Buffer.from(about)).setAuthTag(sealed.subarray(-16));
    return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]));
  } catch (cause) {
    throw new Audio2VecError('ERR_SECURE', `What came as "${about}" is not that, or was changed.`, { cause });
  }
}
