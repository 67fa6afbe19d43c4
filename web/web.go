// Package web holds the browser app's files.
package web

import (
	"embed"
	"io/fs"
)

//go:embed static
var static embed.FS

// Files are the app's files, index.html at the top.
func Files() fs.FS {
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return files
}
