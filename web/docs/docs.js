// The page at /docs: Redoc on the contract that this server serves.
/* global Redoc */
Redoc.init(
	'/api/v1/openapi.json',
	{
		expandResponses: '200,201',
		hideDownloadButton: false,
		jsonSampleExpandLevel: 3,
		nativeScrollbars: true,
		pathInMiddlePanel: true,
		requiredPropsFirst: true,
		sortRequiredPropsFirst: true,
		theme: { typography: { fontFamily: 'system-ui, sans-serif', headings: { fontFamily: 'system-ui, sans-serif' } } },
	},
	document.getElementById('api'),
);
