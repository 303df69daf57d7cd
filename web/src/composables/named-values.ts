/** Names with values, one a row, and a last row in which a new one is written. */
import { computed, type Ref, ref } from 'vue'

export function useNamedValues(values: Ref<Record<string, string>>) {
  const newName = ref('')
  const newValue = ref('')
  const isBadName = computed(() => newName.value !== '' && !/^[A-Za-z_]\w*$/.test(newName.value))

  function set(name: string, value: string): void {
    values.value = { ...values.value, [name]: value }
  }

  function remove(name: string): void {
    const { [name]: _, ...rest } = values.value
    values.value = rest
  }

  function add(): void {
    if (newName.value === '' || isBadName.value) return
    set(newName.value, newValue.value)
    newName.value = ''
    newValue.value = ''
  }

  return {
    rows: computed(() => Object.entries(values.value)),
    newName,
    newValue,
    isBadName,
    set,
    remove,
    add,
  }
}
