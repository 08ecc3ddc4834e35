import { defineConfig } from 'vite';

// `npm run dev` serves the sources and passes everything else on to a running stack (make run).
const stack = process.env.PEAL_URL ?? 'http://localhost:8080';

export default defineConfig({
	esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
	build: {
		target: 'es2021',
		outDir: 'dist',
		assetsInlineLimit: 0, // a data: address would need its own line in the content security policy
		modulePreload: false,
		reportCompressedSize: false,
	},
	server: {
		proxy: {
			'/api': { target: stack },
			'/ws': { target: stack, ws: true },
		},
	},
});
