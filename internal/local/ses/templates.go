package ses

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const maxTemplatesListed = 100

var (
	templateName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	// tag is anything between double braces, and variable is what is understood of that.
	tag      = regexp.MustCompile(`\{\{\{?[^}]*\}?\}\}`)
	variable = regexp.MustCompile(`^\{\{\s*[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*\s*\}\}$`)
)

// mailTemplate is a row of the templates table, and the Template structure of the API.
type mailTemplate struct {
	Name    string `xml:"TemplateName"`
	Subject string `xml:"SubjectPart,omitempty"`
	Text    string `xml:"TextPart,omitempty"`
	HTML    string `xml:"HtmlPart,omitempty"`
}

func errInvalidTemplate(format string, args ...any) error {
	return &apiError{"InvalidTemplate", fmt.Sprintf(format, args...)}
}

func errNoTemplate(name string) error {
	return &apiError{"TemplateDoesNotExist", fmt.Sprintf("Template %s does not exist.", name)}
}

func templateOf(form url.Values) (*mailTemplate, error) {
	t := &mailTemplate{
		Name:    form.Get("Template.TemplateName"),
		Subject: form.Get("Template.SubjectPart"),
		Text:    form.Get("Template.TextPart"),
		HTML:    form.Get("Template.HtmlPart"),
	}
	if !templateName.MatchString(t.Name) {
		return nil, errInvalidTemplate("A template's name has 1 to 64 letters, digits, hyphens and underscores.")
	}
	if t.Subject == "" {
		return nil, errInvalidTemplate("The subject must be specified.")
	}
	for _, part := range []string{t.Subject, t.Text, t.HTML} {
		for _, found := range tag.FindAllString(part, -1) {
			if !variable.MatchString(found) {
				return nil, errInvalidTemplate("The local SES knows only variables such as {{name}} in templates, not %s.", found)
			}
		}
	}
	return t, nil
}

func (s *Server) createTemplate(ctx context.Context, form url.Values) (any, error) {
	t, err := templateOf(form)
	if err != nil {
		return nil, err
	}
	n, err := s.execTemplate(ctx, `INSERT INTO templates (name, subject, text, html, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		t.Name, t.Subject, t.Text, t.HTML, s.opts.Now().UnixMilli())
	if err == nil && n == 0 {
		return nil, &apiError{"AlreadyExists", fmt.Sprintf("Template %s already exists.", t.Name)}
	}
	return empty{}, err
}

func (s *Server) updateTemplate(ctx context.Context, form url.Values) (any, error) {
	t, err := templateOf(form)
	if err != nil {
		return nil, err
	}
	n, err := s.execTemplate(ctx, `UPDATE templates SET subject = ?, text = ?, html = ? WHERE name = ?`, t.Subject, t.Text, t.HTML, t.Name)
	if err == nil && n == 0 {
		return nil, errNoTemplate(t.Name)
	}
	return empty{}, err
}

func (s *Server) deleteTemplate(ctx context.Context, form url.Values) (any, error) {
	_, err := s.execTemplate(ctx, `DELETE FROM templates WHERE name = ?`, form.Get("TemplateName"))
	return empty{}, err
}

// execTemplate says how many templates changed.
func (s *Server) execTemplate(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := s.store.db.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("write template: %w", err)
	}
	return res.RowsAffected()
}

func (s *Server) findTemplate(ctx context.Context, name string) (*mailTemplate, error) {
	t := mailTemplate{Name: name}
	err := s.store.db.QueryRowContext(ctx, `SELECT subject, text, html FROM templates WHERE name = ?`, name).Scan(&t.Subject, &t.Text, &t.HTML)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoTemplate(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	return &t, nil
}

type getTemplateResult struct{ Template *mailTemplate }

func (s *Server) getTemplate(ctx context.Context, form url.Values) (any, error) {
	t, err := s.findTemplate(ctx, form.Get("TemplateName"))
	if err != nil {
		return nil, err
	}
	return getTemplateResult{t}, nil
}

type templateMetadata struct {
	Name             string
	CreatedTimestamp string
}

type listTemplatesResult struct {
	Templates []templateMetadata `xml:"TemplatesMetadata>member"`
	NextToken string             `xml:",omitempty"`
}

func (s *Server) listTemplates(ctx context.Context, form url.Values) (any, error) {
	limit, err := maxItems(form, maxTemplatesListed)
	if err != nil {
		return nil, err
	}
	rows, err := s.store.db.QueryContext(ctx, `SELECT name, created FROM templates WHERE name > ? ORDER BY name LIMIT ?`, form.Get("NextToken"), limit+1)
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out listTemplatesResult
	for rows.Next() {
		var t templateMetadata
		var created int64
		if err := rows.Scan(&t.Name, &created); err != nil {
			return nil, err
		}
		t.CreatedTimestamp = time.UnixMilli(created).UTC().Format(time.RFC3339)
		out.Templates = append(out.Templates, t)
	}
	if len(out.Templates) > limit {
		out.Templates, out.NextToken = out.Templates[:limit], out.Templates[limit-1].Name
	}
	return out, rows.Err()
}

func (s *Server) sendTemplatedEmail(ctx context.Context, form url.Values) (any, error) {
	t, err := s.findTemplate(ctx, form.Get("Template"))
	if err != nil {
		return nil, err
	}
	var data map[string]any
	values := json.NewDecoder(strings.NewReader(form.Get("TemplateData")))
	values.UseNumber() // 1000000 stays 1000000
	if err := values.Decode(&data); err != nil {
		return nil, &apiError{"InvalidRenderingParameter", "TemplateData is not a JSON object."}
	}
	var c content
	for _, part := range []struct {
		from string
		to   *string
	}{{t.Subject, &c.subject}, {t.Text, &c.text}, {t.HTML, &c.html}} {
		if *part.to, err = render(part.from, data); err != nil {
			return nil, err
		}
	}
	return s.sendComposed(ctx, "SendTemplatedEmail", form, c)
}

// render puts the values in. They are not escaped, in HTML neither: SES does not.
func render(part string, data map[string]any) (string, error) {
	var missing string
	out := tag.ReplaceAllStringFunc(part, func(found string) string {
		path := strings.Trim(found, "{} \t\r\n")
		value, ok := lookUp(data, strings.Split(path, "."))
		if !ok {
			missing = path
		}
		return fmt.Sprint(value)
	})
	if missing != "" {
		return "", &apiError{"MissingRenderingAttribute", fmt.Sprintf("Attribute '%s' is not present in the rendering data.", missing)}
	}
	return out, nil
}

func lookUp(data map[string]any, path []string) (any, bool) {
	value, ok := data[path[0]]
	if !ok || len(path) == 1 {
		return value, ok
	}
	inner, ok := value.(map[string]any)
	if !ok {
		return nil, false
	}
	return lookUp(inner, path[1:])
}
