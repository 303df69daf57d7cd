/** Light, dark, or as the system has it. The first paint is by `public/theme.js`, by the same rule. */
import { readonly, ref, watch } from 'vue'
import { readStored, store } from './stored.ts'

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const key = 'hakuriver.theme'
const system = matchMedia('(prefers-color-scheme: dark)')
const wished = ref<Theme>(themes.find((theme) => theme === readStored(key)) ?? 'system')
const shown = ref<'light' | 'dark'>('light')

function apply(): void {
  const isDark = wished.value === 'dark' || (wished.value === 'system' && system.matches)
  shown.value = isDark ? 'dark' : 'light'
  document.documentElement.dataset.theme = shown.value
}

system.addEventListener('change', apply)
watch(wished, (theme) => {
  store(key, theme === 'system' ? null : theme)
  apply()
})
apply()

/** What was chosen, and what is shown. */
export const theme = readonly(wished)
export const shownTheme = readonly(shown)

export function nextTheme(): void {
  const at = themes.indexOf(wished.value)
  wished.value = themes[(at + 1) % themes.length] ?? 'system'
}
