package status

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/cache"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/platform/rest"
)

// Queries answers what a person asks about their videos.
type Queries struct {
	Store    *Store
	Archives *Archives
	Cache    *cache.Cache // nil for none
	Log      *QueryLog    // nil for none
	Now      func() time.Time
}

// Register adds the queries' routes to an API.
func Register(api *httpapi.API, q *Queries) {
	huma.Register(api, huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/v1/health", Summary: "Tell that the API answers", Tags: []string{"system"},
	}, health)

	h := handlers{q}
	operation := func(id, path, summary string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"videos"},
			Security: httpapi.Login(httpapi.VideosRead), Errors: append(errors, http.StatusUnauthorized, http.StatusInternalServerError),
		}
	}
	huma.Register(api, operation("list-videos", "/v1/videos", "List videos, newest first", http.StatusUnprocessableEntity), h.list)
	huma.Register(api, operation("get-video", "/v1/videos/{id}", "Show a video", http.StatusNotFound), h.get)
	huma.Register(api, operation("download-archive", "/v1/videos/{id}/download", "Sign the download of a video's frames",
		http.StatusNotFound, http.StatusConflict, http.StatusGone), h.download)
	huma.Register(api, operation("get-manifest", "/v1/videos/{id}/manifest", "Show which frames an archive holds; a very large manifest is answered by a redirect",
		http.StatusNotFound, http.StatusConflict, http.StatusGone), h.manifest)
}

type handlers struct{ *Queries }

type healthOutput struct {
	Body struct {
		Status string `json:"status" example:"ok"`
	}
}

// GET /v1/health
func health(context.Context, *struct{}) (*healthOutput, error) {
	var out healthOutput
	out.Body.Status = "ok"
	return &out, nil
}

type listInput struct {
	Conditional
	Status rest.Status `query:"status" doc:"Only videos of this status."`
	Cursor string      `query:"cursor" maxLength:"200" doc:"next_cursor of the page before."`
	Limit  int         `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

// Page is one page of the list.
type Page struct {
	Videos     []rest.Video `json:"videos"`
	NextCursor string       `json:"next_cursor,omitempty" doc:"Absent on the last page."`
}

// listed is a page as it is in the table.
type listed struct {
	Videos []*Video
	More   bool
}

// GET /v1/videos
func (h handlers) list(ctx context.Context, in *listInput) (*answer[Page], error) {
	after, err := httpapi.ParseCursor(in.Cursor, "")
	if err != nil {
		return nil, err
	}
	asked := query{
		route: "GET /v1/videos", name: fmt.Sprintf("list:%s:%s:%d", in.Status, after, in.Limit), ifNoneMatch: in.IfNoneMatch,
	}
	return respond(ctx, h.Queries, asked, func(ctx context.Context, user string) (listed, error) {
		videos, more, err := h.Store.List(ctx, user, in.Status, after, in.Limit)
		return listed{videos, more}, err
	}, func(found listed, l locale.Locale) Page {
		page := Page{Videos: make([]rest.Video, len(found.Videos))}
		for i, v := range found.Videos {
			page.Videos[i] = render(v, l)
		}
		if found.More {
			page.NextCursor = httpapi.MakeCursor(found.Videos[len(found.Videos)-1].ID)
		}
		return page
	})
}

// Ref is the path of one video. It is exported since huma passes over embedded
// structs that are not.
type Ref struct {
	ID string `path:"id" maxLength:"64" doc:"The video's ID."`
}

// Conditional is what makes a request conditional.
type Conditional struct {
	IfNoneMatch []string `header:"If-None-Match" doc:"ETag of an earlier answer: 304 if nothing has changed."`
}

type getInput struct {
	Ref
	Conditional
}

// answer is an answer that has an ETag.
type answer[T any] struct {
	Status int
	ETag   string `header:"ETag"`
	Vary   string `header:"Vary"`
	Body   T
}

// videoEntry is the name of a video in the cache.
func videoEntry(id string) string { return "video:" + id }

// GET /v1/videos/{id}
func (h handlers) get(ctx context.Context, in *getInput) (*answer[rest.Video], error) {
	asked := query{route: "GET /v1/videos/{id}", name: videoEntry(in.ID), ifNoneMatch: in.IfNoneMatch}
	return respond(ctx, h.Queries, asked, func(ctx context.Context, user string) (*Video, error) {
		return h.Store.Get(ctx, user, in.ID)
	}, render)
}

// query is a question that is asked again and again.
type query struct {
	route       string
	name        string // of what is read for it, among the caller's
	ifNoneMatch []string
}

// respond answers a query out of the cache, or what is read for it.
//
// Out of a process's own memory, which is not told of writes, there is one answer only:
// that nothing has changed. So nobody is shown what is older than what they have seen,
// whichever process answers them.
func respond[Found, Shown any](
	ctx context.Context, q *Queries, asked query,
	read func(ctx context.Context, user string) (Found, error), show func(Found, locale.Locale) Shown,
) (*answer[Shown], error) {
	user, began := httpapi.MustCaller(ctx).UserID, q.Now()
	out := answer[Shown]{Vary: "Accept-Language"}
	use := func(found Found) bool {
		out.Body = show(found, httpapi.LocaleFrom(ctx))
		out.ETag = etagOf(out.Body)
		out.Status = http.StatusOK
		if matches(asked.ifNoneMatch, out.ETag) {
			out.Status = http.StatusNotModified
		}
		return q.Cache.IsShared() || out.Status == http.StatusNotModified
	}
	found, hit, err := cache.Load(ctx, q.Cache, user, asked.name, use, func(ctx context.Context) (Found, error) { return read(ctx, user) })
	if err == nil && !hit {
		use(found)
	}
	q.Log.note(ctx, entry{User: user, Route: asked.route, Status: statusOf(out.Status, err), Hit: hit, Took: q.Now().Sub(began)})
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// etagOf makes the entity tag of a body.
func etagOf(body any) string {
	raw, err := json.Marshal(body)
	if err != nil {
		return "" // nor can it be answered: see where it is
	}
	sum := sha256.Sum256(raw)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// matches does the weak comparison of RFC 9110, section 13.1.2.
func matches(ifNoneMatch []string, etag string) bool {
	return slices.ContainsFunc(ifNoneMatch, func(candidate string) bool {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		return candidate == "*" || candidate == etag
	})
}

type downloadOutput struct {
	Body struct {
		URL       string    `json:"url" doc:"GET the ZIP here; ranges are served."`
		ExpiresAt time.Time `json:"expires_at" doc:"The download must begin before."`
		Size      int64     `json:"size" doc:"Bytes."`
		SHA256    string    `json:"sha256,omitempty" doc:"Of the ZIP, lower-case hex. Absent where several workers wrote it at once; the manifest has every frame's."`
	}
}

// GET /v1/videos/{id}/download
func (h handlers) download(ctx context.Context, in *Ref) (*downloadOutput, error) {
	v, err := h.ready(ctx, "GET /v1/videos/{id}/download", in.ID)
	if err != nil {
		return nil, err
	}
	var out downloadOutput
	out.Body.URL, err = h.Archives.SignDownload(ctx, v.Archive.Key, archiveName(v.Filename, "-frames.zip"), downloadValidity)
	out.Body.ExpiresAt = h.Now().Add(downloadValidity).UTC().Truncate(time.Second)
	out.Body.Size, out.Body.SHA256 = v.Archive.Size, v.Archive.SHA256
	return &out, err
}

type manifestOutput struct {
	Status      int
	ContentType string `header:"Content-Type"`
	Location    string `header:"Location"`
	Body        []byte
}

// GET /v1/videos/{id}/manifest
func (h handlers) manifest(ctx context.Context, in *Ref) (*manifestOutput, error) {
	v, err := h.ready(ctx, "GET /v1/videos/{id}/manifest", in.ID)
	if err != nil {
		return nil, err
	}
	raw, err := h.Archives.Read(ctx, v.Archive.ManifestKey, inlineManifest)
	if err != nil {
		return nil, err
	}
	if raw != nil {
		return &manifestOutput{Status: http.StatusOK, ContentType: "application/json", Body: bytes.TrimSpace(raw)}, nil
	}
	url, err := h.Archives.SignDownload(ctx, v.Archive.ManifestKey, archiveName(v.Filename, "-manifest.json"), downloadValidity)
	return &manifestOutput{Status: http.StatusSeeOther, ContentType: "application/json", Location: url}, err
}

// ready finds a video whose archive is there. It does not ask the cache, so that nothing
// is signed for what was deleted.
func (h handlers) ready(ctx context.Context, route, id string) (*Video, error) {
	user, began := httpapi.MustCaller(ctx).UserID, h.Now()
	v, err := h.isReady(ctx, user, id)
	h.Log.note(ctx, entry{User: user, Route: route, Status: statusOf(http.StatusOK, err), Took: h.Now().Sub(began)})
	return v, err
}

func (h handlers) isReady(ctx context.Context, user, id string) (*Video, error) {
	v, err := h.Store.Get(ctx, user, id)
	if err != nil {
		return nil, err
	}
	switch {
	case v.Status == rest.Expired, v.Archive != nil && !h.Now().Before(v.Archive.ExpiresAt):
		return nil, problem.New(problem.Expired)
	case v.Archive == nil || v.Status != rest.Completed:
		return nil, problem.New(problem.NotReady)
	}
	return v, nil
}

// render shows a video in a language.
func render(v *Video, l locale.Locale) rest.Video {
	out := rest.Video{
		ID: v.ID, Filename: v.Filename, Size: v.Size, ContentType: v.ContentType, Status: v.Status,
		Progress: v.Progress, Extraction: v.Extraction,
		CreatedAt: v.CreatedAt.UTC(), UpdatedAt: v.UpdatedAt.UTC(), ExpiresAt: v.ExpiresAt.UTC(),
	}
	if v.Media != nil {
		media := rest.Media(*v.Media)
		out.Media = &media
	}
	if a := v.Archive; a != nil {
		out.Archive = &rest.Archive{Frames: a.Frames, Size: a.Size, SHA256: a.SHA256, ExpiresAt: a.ExpiresAt.UTC()}
	}
	if v.ErrorCode != "" {
		out.Error = &rest.Notice{Code: problem.Code(v.ErrorCode), Message: problem.Code(v.ErrorCode).In(l).Detail}
	}
	for _, code := range v.Warnings {
		out.Warnings = append(out.Warnings, rest.Notice{Code: problem.Code(code), Message: problem.Code(code).In(l).Detail})
	}
	return out
}
