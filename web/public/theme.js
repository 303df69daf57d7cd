// Before the first paint, so that no theme flashes up. The same rule as src/composables/theme.ts.
;(() => {
  let wish = null
  try {
    wish = localStorage.getItem('hakuriver.theme')
  } catch {
    // storage is closed: the system decides
  }
  const isDark = wish === 'dark' || (wish !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light'
})()
