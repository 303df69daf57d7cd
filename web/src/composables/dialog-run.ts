/** What the button of a dialog does: the dialog closes when it is done, and stays with what was refused. */
import { type Ref, ref, watch } from 'vue'

export function useDialogRun(open: Ref<boolean>, run: () => Promise<unknown>) {
  const busy = ref(false)
  const error = ref<unknown>(null)
  watch(open, () => {
    error.value = null
  })

  async function go(): Promise<void> {
    if (busy.value) return
    busy.value = true
    error.value = null
    try {
      await run()
      open.value = false
    } catch (thrown) {
      error.value = thrown
    } finally {
      busy.value = false
    }
  }

  return { busy, error, go }
}
