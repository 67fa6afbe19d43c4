module github.com/fotograma/fotograma

go 1.26.0
