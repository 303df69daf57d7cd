/** Builds the web page to dist/web. The host serves it; there is no other server. */
import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: here('.'),
  plugins: [vue()],
  build: {
    outDir: here('../dist/web'),
    emptyOutDir: true,
    target: 'es2022',
    // fonts and pictures stay files: the content policy knows no data: scripts or styles
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600,
  },
  // `vite` alone, for work on the page beside a host with --insecure-loopback
  server: { proxy: { '/api': 'http://127.0.0.1:8000' } },
})
