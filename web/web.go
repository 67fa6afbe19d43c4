// Package web holds the browser app: its sources are in app, and what `make web`
// builds of them, in dist, is embedded here.
package web

import (
	"embed"
	"errors"
	"io/fs"
)

// dist is not committed, but for a file that keeps the folder: the program can be
// built and tested without Node, and then says so where the app would be.
//
//go:embed all:dist
var dist embed.FS

//go:embed unbuilt
var unbuilt embed.FS

// Files are the app's files, index.html at the top. Where the app was not built, that
// is a page which tells how to.
func Files() fs.FS {
	files := sub(dist, "dist")
	if _, err := fs.Stat(files, "index.html"); errors.Is(err, fs.ErrNotExist) {
		return sub(unbuilt, "unbuilt")
	}
	return files
}

func sub(files embed.FS, folder string) fs.FS {
	found, err := fs.Sub(files, folder)
	if err != nil {
		panic(err) // the folder is embedded
	}
	return found
}
