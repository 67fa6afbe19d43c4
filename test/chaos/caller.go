package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// process is a process of a function.
type process struct {
	pid      int
	function string // the folder of its program; empty if it is none
}

// caller finds the process of a function at the other end of a connection; the zero
// process if it is another program's.
func (c *connection) caller() process {
	c.once.Do(func() {
		if addr, ok := c.remote.(*net.TCPAddr); ok {
			c.owner = owner(socketOf(addr.Port))
		}
	})
	return c.owner
}

// socketOf gives the inode of the socket that is bound to a port of the loopback; empty
// if there is none. While connections come and go, a reader of the list misses some.
func socketOf(port int) string {
	for range 100 {
		if inode := lookForSocket(port); inode != "" {
			return inode
		}
	}
	return ""
}

// lookForSocket reads the list once (proc_net_tcp(5)).
func lookForSocket(port int) string {
	file, err := os.Open("/proc/net/tcp")
	if err != nil {
		return ""
	}
	defer file.Close()
	local := fmt.Sprintf("0100007F:%04X", port)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 9 && fields[1] == local {
			return fields[9]
		}
	}
	return ""
}

// owner looks for the function's process that has a socket.
func owner(inode string) process {
	programs, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range programs {
		program, err := os.Readlink(exe)
		if err != nil || !strings.HasPrefix(filepath.Base(filepath.Dir(program)), "functions") {
			continue
		}
		files, _ := filepath.Glob(filepath.Join(filepath.Dir(exe), "fd", "*"))
		for _, file := range files {
			if target, err := os.Readlink(file); err == nil && target == "socket:["+inode+"]" {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(exe)))
				return process{pid, filepath.Base(program)}
			}
		}
	}
	return process{}
}

// kill ends the process as nothing can prevent.
func (p process) kill() error { return syscall.Kill(p.pid, syscall.SIGKILL) }
