/**
 * The development key pair for JSON Web Tokens: what its public half looks like as a JWK set (RFC 7517), and which
 * algorithm a private key signs with. The gateway is given the set, `windrose token` signs with the key.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, type JWK } from "jose";

/** The JWA name (RFC 7518 §3.1, RFC 8037) for a private key, or null when tokens cannot be signed with it. */
export function signingAlgorithm(key: KeyObject): string | null {
  switch (key.asymmetricKeyType) {
    case "ec":
      return ecAlgorithm(key.asymmetricKeyDetails?.namedCurve);
    case "rsa":
      return "RS256";
    case "ed25519":
      return "EdDSA";
    default:
      return null;
  }
}

function ecAlgorithm(curve: string | undefined): string | null {
  if (curve === "prime256v1") return "ES256";
  if (curve === "secp384r1") return "ES384";
  return null;
}

/** The public half with `alg`, `use` and, as `kid`, its RFC 7638 thumbprint: equal keys get equal ids. */
export async function publicJwk(privateKey: KeyObject): Promise<JWK & { kid: string }> {
  const jwk = await exportJWK(createPublicKey(privateKey));
  const kid = await calculateJwkThumbprint(jwk);
  const alg = signingAlgorithm(privateKey);
  return { ...jwk, kid, use: "sig", ...(alg === null ? {} : { alg }) };
}
