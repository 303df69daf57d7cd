/**
 * Keys for everything. A page says which it has and what they do; the help sheet shows the same list. Keys are dead while
 * something is typed or a dialog is open, but for those that say otherwise (WCAG 2.1.4: they can be switched off in Help).
 */
import { computed, onScopeDispose, ref, shallowReactive } from 'vue'
import { readStored, store } from './stored.ts'

export interface Hotkey {
  /** As `KeyboardEvent.key` has it; `mod+k` for Ctrl or Command. Two keys in a row: `g n`. */
  keys: string
  what: string
  run: (event: KeyboardEvent) => void
  /** Also while something is typed. */
  always?: boolean
}

const active = shallowReactive(new Set<Hotkey>())
const storedKey = 'hakuriver.keys'

/** Are single keys listened to? */
export const areKeysOn = ref(readStored(storedKey) !== 'off')

export function setKeysOn(isOn: boolean): void {
  areKeysOn.value = isOn
  store(storedKey, isOn ? null : 'off')
}

/** All keys of now, for the help sheet. */
export const hotkeys = computed(() => [...active])

/** Adds keys for as long as the component lives. Of two for the same key, the later one counts. */
export function useHotkeys(list: readonly Hotkey[]): void {
  for (const hotkey of list) active.add(hotkey)
  onScopeDispose(() => {
    for (const hotkey of list) active.delete(hotkey)
  })
}

const sequenceMs = 900
let first: { key: string; atMs: number } | null = null

function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement && ['checkbox', 'radio', 'button'].includes(target.type))
    return false
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  )
}

function nameOf(event: KeyboardEvent): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  return event.ctrlKey || event.metaKey
    ? `mod+${key}`
    : event.shiftKey && key.length > 1
      ? `shift+${key}`
      : key
}

/** Listens on the whole page; called once. */
export function startHotkeys(): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.altKey || event.isComposing) return
    const key = nameOf(event)
    const isCommand = key.startsWith('mod+')
    const isFree =
      !isTyping(event.target) && document.querySelector('[role=dialog],[role=alertdialog]') === null
    const pair = first !== null && event.timeStamp - first.atMs < sequenceMs ? `${first.key} ${key}` : null
    const list = [...active].reverse()
    const fits = (hotkey: Hotkey) => (isFree || hotkey.always === true) && (isCommand || areKeysOn.value)
    const found =
      list.find((hotkey) => hotkey.keys === pair && fits(hotkey)) ??
      list.find((hotkey) => hotkey.keys === key && fits(hotkey))
    first = isFree && !isCommand ? { key, atMs: event.timeStamp } : null
    if (found === undefined) return
    event.preventDefault()
    first = null
    found.run(event)
  })
}
