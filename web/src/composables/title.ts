/** Title and favicon carry the state of what is shown, for a tab that is not looked at. */
import { onScopeDispose, watchEffect } from 'vue'
import type { Tone } from '../ui/states.ts'

const plain = 'HakuRiver'
const ground: Record<Tone | 'plain', string> = {
  plain: '#0f6d73',
  wait: '#5d6c67',
  flow: '#1857b6',
  good: '#1d7040',
  bad: '#b3261e',
  doubt: '#8a5200',
  stop: '#6b4795',
}
/** Shapes besides the colours: the river, or a sign in its place. */
const signs: Record<Tone | 'plain', string> = {
  plain: 'M6 11c4-4 6-4 10 0s6 4 10 0M6 17c4-4 6-4 10 0s6 4 10 0M6 23c4-4 6-4 10 0s6 4 10 0',
  wait: 'M10 16h.01M16 16h.01M22 16h.01',
  flow: 'M12 9l9 7-9 7z',
  good: 'M8 17l5 5 11-12',
  bad: 'M10 10l12 12M22 10L10 22',
  doubt: 'M12 12c0-5 8-5 8 0 0 3-4 3-4 6M16 23h.01',
  stop: 'M10 10h12v12H10z',
}

/** `sentence` is the page's name, `tone` the state of what it shows. */
export function useTitle(tell: () => { title: string; tone?: Tone | undefined }): void {
  watchEffect(() => {
    const { title, tone } = tell()
    document.title = title === '' ? plain : `${title} · ${plain}`
    setIcon(tone ?? 'plain')
  })
  onScopeDispose(() => setIcon('plain'))
}

function setIcon(tone: Tone | 'plain'): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel=icon]')
  if (link === null || link.dataset.tone === tone) return
  link.dataset.tone = tone
  if (tone === 'plain') link.href = '/favicon.svg'
  else {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${ground[tone]}"/><path d="${signs[tone]}" fill="none" stroke="#fff" stroke-width="3.4" stroke-linecap="round" stroke-linejoin="round"/></svg>`
    link.href = `data:image/svg+xml,${encodeURIComponent(svg)}`
  }
}
