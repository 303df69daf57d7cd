/** Texts and their bytes for properties of logs. */

/** What texts are made of, so that ends of lines and characters that can be cut through are common. */
export const textPieces = [
  '\n', '\n\n', '\r\n', '\r', 'a', 'A', 'ab', 'aba', 'ä', 'Ä', 'ß', '€', '😀', 'x'.repeat(40),
] // biome-ignore format: a list

/** The bytes in pieces of these lengths, again and again. */
export function tear(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const torn: Uint8Array[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = lengths[turn % lengths.length]!
    torn.push(bytes.subarray(at, at + length))
    at += length
  }
  return torn
}

/** As a reader of the whole text would count: a last line without an end is one too. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n')
  return lines[lines.length - 1] === '' ? lines.slice(0, -1) : lines
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}
