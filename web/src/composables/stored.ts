/** What this browser keeps. Where storage is closed or full nothing is kept, and nothing fails. */

export function readStored(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

/** null: forget it. */
export function store(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key)
    else localStorage.setItem(key, value)
  } catch {
    // private mode or a full store: it is only a comfort
  }
}

/** JSON that we stored; null: nothing, or nothing that can be read. The caller checks its shape. */
export function readStoredJson(key: string): unknown {
  try {
    return JSON.parse(readStored(key) ?? 'null')
  } catch {
    return null
  }
}
