/** What somebody could write where a text is asked for, to make the page do something. */

/** Each ends in a word of its own, by which it is found where it is shown with its unprintable characters written out. */
export const hostileTexts = {
  script: '<script>alert(1)</script>one',
  image: '<img src=x onerror=alert(2)>two',
  vector: '"><svg onload=alert(3)>three',
  address: 'javascript:alert(4)//four',
  template: "{{constructor.constructor('alert(5)')()}}five",
  frame: `'--></title></textarea><iframe srcdoc="<script>parent.alert(6)</script>">six`,
  link: '<a href="javascript:alert(7)" target=_top>seven</a>',
  title: '\u001b]0;eight\u0007\u001b]2;eight\u001b\\eight',
  clipboard: '\u001b]52;c;bmluZQ==\u0007nine',
  linkOfTerminal: '\u001b]8;;javascript:alert(10)\u001b\\ten\u001b]8;;\u001b\\',
  direction: '\u202egnp.eleven\u2066\u200f',
  controls: '\b\b\b\r\t\u007f\u0085\u2028\u2029twelve',
  piled: `z${'\u0300\u0315\u035c'.repeat(40)}thirteen`,
  prototype: '__proto__',
  members: 'constructor',
} as const

/** Longer than any place for it. */
export const longName = `${'<b>'.repeat(60)}fourteen`.padEnd(200, 'x')

/** The lines of an output, of which some are no text at all. */
export function hostileOutput(): Buffer {
  const lines: (string | Buffer)[] = [
    'the first line',
    ...Object.values(hostileTexts),
    '\u001b[31m<script>alert(20)</script>red\u001b[0m',
    '\u001b[8mhidden\u001b[0m \u001b[38;2;1;2;3;;;;m \u001b[99999999999m \u001b[38;5;999m \u001b[48;2;-1;;m odd colours',
    `\u001b[${'1;'.repeat(5_000)}m many colours`,
    '\u001b[2J\u001b[H\u001b[?1049h\u001b[6n\u001b[c\u001bP$q"p\u001b\\ asks the terminal',
    '\u001b]8;;https://evil.example/\u0007a link elsewhere\u001b]8;;\u0007',
    '\u001b]8;;data:text/html,<script>alert(21)</script>\u0007a page as a link\u001b]8;;\u0007',
    Buffer.from([0xff, 0xfe, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0x80]),
    'x'.repeat(1024 * 1024),
    '<img src=x onerror=alert(22)>'.repeat(40_000),
    `a${'\u0300'.repeat(100_000)}`,
    '\u001b]0;never ended',
    '\u001b[0m the last line',
  ]
  return Buffer.concat(lines.flatMap((line) => [Buffer.from(line as string), Buffer.from('\n')]))
}

/** A pattern of an address each that leads elsewhere, or is made to look so. */
export const hostileNexts = [
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '/\t/evil.example',
  '/%09/evil.example',
  '/%2F/evil.example',
  '/%5Cevil.example',
  '/.//evil.example',
  '/..//evil.example',
  'https://evil.example/',
  'javascript:alert(8)',
  '/javascript:alert(9)',
  'data:text/html,<script>alert(10)</script>',
  '/@evil.example',
]
