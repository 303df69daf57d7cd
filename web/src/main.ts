/** The web page: a client of the host's API, nothing more. What is chosen lives in the address, the truth in the host. */
import '@fontsource-variable/atkinson-hyperlegible-next/wght.css'
import '@fontsource-variable/atkinson-hyperlegible-mono/wght.css'
import './styles/tokens.css'
import './styles/base.css'
import './styles/parts.css'
import { VueQueryPlugin } from '@tanstack/vue-query'
import { createApp } from 'vue'
import App from './App.vue'
import { queryClient } from './api/queries.ts'
import { startHotkeys } from './composables/hotkeys.ts'
import { router } from './router.ts'

startHotkeys()
createApp(App).use(router).use(VueQueryPlugin, { queryClient }).mount('#app')
