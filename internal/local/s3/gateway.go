package s3

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3err"
)

const (
	// hostStyleDomain makes http://<bucket>.localhost:port address a bucket.
	hostStyleDomain = "localhost"

	// lingerTime is how long the rest of a refused body is taken in, so that its
	// sender comes to read the answer.
	lingerTime = 500 * time.Millisecond

	// mostRequests are answered at once; beyond, S3 says SlowDown.
	mostRequests = 10_000
)

// gateway lets versitygw's fasthttp application answer net/http requests.
//
// fiber's own adaptor reads whole bodies into memory, and a socket between two
// servers loses early answers: the inner server would refuse an upload it need
// not read, and the outer one would report a broken pipe. So requests are handed
// over here, with their bodies as streams in both directions. A body is read
// only when versitygw reads it, which is also when net/http tells a client that
// sent "Expect: 100-continue" to go ahead.
type gateway struct {
	handle fasthttp.RequestHandler
}

// newGateway serves a backend to whoever knows the credentials in the options.
func newGateway(be backend.Backend, set *settings, o Options) (*gateway, error) {
	owner := auth.Account{Access: o.AccessKey, Secret: o.SecretKey, Role: auth.RoleAdmin}
	iam := oneAccount{auth.NewIAMServiceSingle(owner)}
	root := middlewares.RootUserConfig{Access: o.AccessKey, Secret: o.SecretKey}
	api, err := s3api.New(be, root, o.Region, iam, nil, nil, nil, nil,
		s3api.WithQuiet(),
		s3api.WithConcurrencyLimiter(mostRequests, mostRequests),
		s3api.WithHostStyle(hostStyleDomain),
		s3api.WithMiddleware("/", closeBody),
		s3api.WithMiddleware("/", set.hostStyle(middlewares.HostStyleParser(hostStyleDomain))),
		s3api.WithMiddleware("/:bucket", set.middleware(be, root, iam, o.Region)),
	)
	if err != nil {
		return nil, fmt.Errorf("set up S3 API: %w", err)
	}
	app, err := application(api)
	if err != nil {
		return nil, err
	}
	return &gateway{handle: app.Handler()}, nil
}

// application takes the fiber application out of versitygw's server, which only
// offers to listen on a socket of its own.
func application(api *s3api.S3ApiServer) (*fiber.App, error) {
	field := reflect.ValueOf(api).Elem().FieldByName("app")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*fiber.App]() {
		return nil, errors.New("this version of versitygw keeps its application elsewhere")
	}
	return (*fiber.App)(field.UnsafePointer()), nil
}

// oneAccount knows the root account. For any other access key it gives the
// error that becomes InvalidAccessKeyId, which versitygw's own does not.
type oneAccount struct{ auth.IAMService }

func (a oneAccount) GetUserAccount(access string) (auth.Account, error) {
	account, err := a.IAMService.GetUserAccount(access)
	if err != nil {
		return auth.Account{}, auth.ErrNoSuchUser
	}
	return account, nil
}

// ServeHTTP answers a request whose body and response can be of any size.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call fasthttp.RequestCtx
	call.Init2(&peer{remote: remoteAddr(r)}, silent{}, true)
	if err := fillRequest(&call.Request, r); err != nil {
		answerError(w, s3err.GetAPIError(s3err.ErrCannotParseHTTPRequest))
		return
	}
	g.handle(&call)
	err := writeResponse(w, r, &call.Response)
	if err := errors.Join(err, call.Response.CloseBodyStream()); err != nil {
		// The status is out; only breaking off tells the client.
		panic(http.ErrAbortHandler)
	}
	if r.Header.Get("Expect") != "" {
		linger(w, r.Body)
	}
}

// linger takes in what is still coming of a body that was refused. Some clients
// ask with "Expect: 100-continue" and send without waiting (aws-sdk-go-v2 is
// one). net/http would reset the connection under them, and they would report
// that instead of the answer. Clients that do wait close the connection.
func linger(w http.ResponseWriter, body io.Reader) {
	connection := http.NewResponseController(w)
	if connection.Flush() != nil || connection.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	// Any end will do.
	_, _ = io.Copy(io.Discard, body)
}

// fillRequest hands a request over as it came off the wire, as far as anything
// can be signed. It writes the head out and has it parsed again, because part of
// versitygw looks at headers only in the form in which they were received.
func fillRequest(to *fasthttp.Request, r *http.Request) error {
	uri := r.RequestURI
	if uri == "" {
		uri = r.URL.RequestURI()
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, uri, r.Host)
	if err := r.Header.Write(&head); err != nil {
		return err
	}
	head.WriteString("\r\n")
	size := head.Len()
	if err := to.Header.Read(bufio.NewReaderSize(&head, size)); err != nil {
		return fmt.Errorf("parse head: %w", err)
	}
	if r.Body != nil && r.Body != http.NoBody {
		to.SetBodyStream(&requestBody{Reader: r.Body}, int(r.ContentLength))
	}
	return nil
}

// requestBody is a body that can be closed for further reading, and whose end
// before its length, for whatever reason, is S3's IncompleteBody.
type requestBody struct {
	io.Reader

	closed bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, io.EOF
	}
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		// versitygw takes an unexpected end for the end if the client gave no
		// checksum, and would store half an upload. It keeps S3's own errors.
		err = s3err.GetAPIError(s3err.ErrIncompleteBody)
	}
	return n, err
}

// closeBody ends the request's body once it has been answered. Otherwise
// versitygw would read on, to keep a connection usable that is not its own, and
// thereby invite a client that waits with "Expect: 100-continue" to send a body
// that was already refused.
func closeBody(ctx fiber.Ctx) error {
	body, ok := ctx.Request().BodyStream().(*requestBody)
	err := ctx.Next()
	if ok {
		body.closed = true
	}
	return err
}

// writeResponse writes the response out. It returns an error when the client
// has got less than it was promised.
func writeResponse(w http.ResponseWriter, r *http.Request, from *fasthttp.Response) error {
	header := w.Header()
	for key, value := range from.Header.All() {
		if name := headerName(string(key)); name != "" {
			header[name] = append(header[name], string(value))
		}
	}
	status := from.StatusCode()
	length := from.Header.ContentLength()
	if !from.IsBodyStream() && (length <= 0 || r.Method != http.MethodHead) {
		length = len(from.Body())
	}
	bodiless := status == http.StatusNoContent || status == http.StatusNotModified
	if length >= 0 && !bodiless {
		header.Set("Content-Length", strconv.Itoa(length))
	}
	w.WriteHeader(status)
	if bodiless || r.Method == http.MethodHead {
		return nil
	}
	if !from.IsBodyStream() {
		_, err := w.Write(from.Body())
		return err
	}
	sent, err := io.Copy(w, from.BodyStream())
	if err == nil && length >= 0 && sent != int64(length) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// headerName spells a response header as S3 does, which clients show to people
// (boto3 takes the keys of metadata from it). It is empty for what concerns the
// connection, which net/http writes itself.
func headerName(name string) string {
	switch lower := strings.ToLower(name); {
	case strings.HasPrefix(lower, "x-amz-"):
		return lower
	case lower == "etag":
		return "ETag"
	case lower == "connection", lower == "content-length", lower == "transfer-encoding", lower == "date":
		return ""
	default:
		return http.CanonicalHeaderKey(name)
	}
}

func answerError(w http.ResponseWriter, err s3err.APIError) {
	w.Header().Set("Content-Type", fiber.MIMEApplicationXML)
	w.WriteHeader(err.HTTPStatusCode)
	// The client may be gone; there is nobody else to tell.
	_, _ = w.Write(err.XMLBody("", ""))
}

// peer stands for the client's connection, of which versitygw may only know the
// addresses.
type peer struct {
	net.Conn // nil: net/http reads and writes

	remote net.Addr
}

func (p *peer) RemoteAddr() net.Addr            { return p.remote }
func (p *peer) LocalAddr() net.Addr             { return &net.TCPAddr{} }
func (p *peer) SetReadDeadline(time.Time) error { return nil }

func remoteAddr(r *http.Request) net.Addr {
	address, err := net.ResolveTCPAddr("tcp", r.RemoteAddr) // numeric: no look-up
	if err != nil {
		return &net.TCPAddr{}
	}
	return address
}

// silent drops fasthttp's own messages; versitygw reports what matters.
type silent struct{}

func (silent) Printf(string, ...any) {}
