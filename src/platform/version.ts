/** The version of this program; `scripts/build.ts` puts the package's in its place. */
declare const HAKURIVER_VERSION: string | undefined

export const version: string = typeof HAKURIVER_VERSION === 'string' ? HAKURIVER_VERSION : '0.0.0-source'
