// Package smtptest gives tests an SMTP server.
package smtptest

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Server is as much of RFC 5321 as a relay needs, with replies that a test
// chooses.
type Server struct {
	listener net.Listener
	reply    func(command string) string

	mu       sync.Mutex
	received []Mail
	logins   []string
	done     sync.WaitGroup
}

// Mail is one that the server took.
type Mail struct {
	From string   // address
	To   []string // addresses
	Data string   // the mail itself
}

// Start starts a server at an address ("127.0.0.1:0" for any port) until the test
// ends. reply may answer a command in place of the server, or with "END <sender>" a
// mail that has come; "" lets it be, and nil everything.
func Start(t *testing.T, address string, reply func(command string) string) *Server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{listener: listener, reply: reply}
	s.done.Go(s.accept)
	t.Cleanup(s.Close)
	return s
}

// Close ends the server before the test ends; it can be called twice.
func (s *Server) Close() {
	_ = s.listener.Close()
	s.done.Wait()
}

// Address is where it listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.done.Go(func() {
			defer func() { _ = conn.Close() }()
			s.talk(conn)
		})
	}
}

func (s *Server) talk(conn net.Conn) {
	r := bufio.NewReader(conn)
	say := func(line string) { _, _ = fmt.Fprint(conn, line+"\r\n") }
	say("220 test")
	var mail Mail
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		command := strings.TrimRight(line, "\r\n")
		if s.reply != nil {
			if answer := s.reply(command); answer != "" {
				say(answer)
				continue
			}
		}
		verb, argument, _ := strings.Cut(command, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN")
		case "AUTH":
			s.login(argument)
			say("235 welcome")
		case "MAIL":
			mail = Mail{From: between(argument)}
			say("250 ok")
		case "RCPT":
			mail.To = append(mail.To, between(argument))
			say("250 ok")
		case "DATA":
			say("354 go on")
			mail.Data = readData(r)
			if s.reply != nil {
				if answer := s.reply("END " + mail.From); answer != "" {
					say(answer)
					continue
				}
			}
			s.keep(mail)
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func between(argument string) string {
	_, rest, _ := strings.Cut(argument, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}

func readData(r *bufio.Reader) string {
	var data strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return data.String()
		}
		data.WriteString(strings.TrimPrefix(line, "."))
	}
}

func (s *Server) keep(mail Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = append(s.received, mail)
}

func (s *Server) login(argument string) {
	_, encoded, _ := strings.Cut(argument, " ")
	plain, _ := base64.StdEncoding.DecodeString(encoded)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins = append(s.logins, strings.ReplaceAll(string(plain), "\x00", "|"))
}

// Mails gives the mails that were taken so far.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// Logins gives what was said to log in so far, as PLAIN has it with "|" for NUL.
func (s *Server) Logins() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.logins)
}
