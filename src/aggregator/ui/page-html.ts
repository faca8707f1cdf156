/** The one HTML file; `main.js` fills it. */
export const PAGE_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Hopscope</title>
<link rel="icon" href="/ui/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/style.css">
<!--modules-->
<script type="module" src="/ui/main.js"></script>
</head>
<body>
<a class="skip" href="#view">Skip to the view</a>
<header id="top"></header>
<main id="view" tabindex="-1"></main>
<div id="toast" role="status" aria-live="polite"></div>
<noscript>This page needs JavaScript. The query API below /api/hopscope/ does not.</noscript>
</body>
</html>
`
