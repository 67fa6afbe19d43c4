package web

// Headers are what every file of the app is served with, wherever that is:
// storage is the address of S3 as the app sees it, where it uploads to. The page
// runs its own scripts and styles, from files, and nothing else; it talks to its
// own host and to storage, and stands in nobody's frame. Images and videos may come
// from blobs: frames that it has read out of an archive, and files that a person has
// chosen, whose length it shows.
func Headers(storage string) map[string]string {
	return map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; font-src 'self'; " +
			"manifest-src 'self'; connect-src 'self' " + storage + "; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
		"Referrer-Policy":              "same-origin",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
	}
}
