/** The colours of a log in the theme that is shown. */
import { computed, shallowRef, watch } from 'vue'
import { shownTheme } from '../composables/theme.ts'
import { type Palette, rgbOfHex } from './palette.ts'

function readPalette(): Palette {
  const styles = getComputedStyle(document.documentElement)
  const token = (name: string) => rgbOfHex(styles.getPropertyValue(name))
  const sixteen = (name: string) => Array.from({ length: 16 }, (_, at) => token(`${name}-${at}`))
  return {
    ground: token('--sunken'),
    ink: token('--ink'),
    inks: sixteen('--ansi'),
    grounds: sixteen('--ansi-ground'),
  }
}

export function usePalette() {
  const palette = shallowRef(readPalette())
  watch(
    shownTheme,
    () => {
      palette.value = readPalette()
    },
    { flush: 'post' },
  )
  return computed(() => palette.value)
}
