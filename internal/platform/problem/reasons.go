package problem

import (
	"regexp"
	"strings"
	"sync"

	"github.com/fotograma/fotograma/internal/platform/locale"
)

// reasons has the Portuguese of what is said about one member of a request, by
// the services and by huma, which checks requests against the contract. A %s
// stands for names and numbers, which stay as they are. Of two that fit, the
// first counts.
var reasons = []struct{ en, pt string }{
	// Of extractions.
	{"goes with mode %s, not with mode %s", "é do modo %s, não do modo %s"},
	{"does not go with mode %s", "não combina com o modo %s"},
	{"does not go with %s: each has a mode of its own", "não combina com %s: cada um tem um modo próprio"},
	{"must be more than 0 (at least one frame in %s seconds) and at most %s", "deve ser maior que 0 (ao menos um quadro a cada %s segundos) e no máximo %s"},
	{"must be %s to %s seconds each", "devem ser de %s a %s segundos cada"},
	{"must be %s to %s seconds", "deve ser de %s a %s segundos"},
	{"must be %s to %s pixels", "deve ser de %s a %s pixels"},
	{"must be a list of %s to %s instants", "deve ser uma lista de %s a %s instantes"},
	{"must be in ascending order, but %s comes after %s", "deve estar em ordem crescente, mas %s vem depois de %s"},
	{"is too long to travel with an upload; give fewer, or upload with other options and give the list to %s", "é longa demais para acompanhar um envio; informe menos, ou envie com outras opções e informe a lista em %s"},
	{"must be after start", "deve vir depois de start"},
	{"needs width or height", "precisa de width ou height"},
	{"%s needs both width and height", "%s precisa de width e height"},
	{"must be one of %s", "deve ser um destes: %s"},
	{"must be at least %s", "deve ser no mínimo %s"},
	{"must be %s to %s", "deve ser de %s a %s"},

	// Of uploads.
	{"must not be empty", "não pode ficar vazio"},
	{"must not be longer than %s bytes", "não pode ter mais de %s bytes"},
	{"must be UTF-8", "deve ser UTF-8"},
	{"must be a name, without folders and control characters", "deve ser um nome, sem pastas nem caracteres de controle"},
	{"the video has parts %s to %s", "o vídeo tem as partes %s a %s"},
	{"the video has %s parts, not %s", "o vídeo tem %s partes, não %s"},
	{"part %s stands where part %s should", "a parte %s está no lugar da parte %s"},
	{"part %s was not uploaded", "a parte %s não foi enviada"},
	{"part %s has another ETag", "a parte %s tem outro ETag"},
	{"part %s has %s bytes, not %s", "a parte %s tem %s bytes, não %s"},
	{"must be next_cursor of a page before", "deve ser o next_cursor de uma página anterior"},

	// Of accounts.
	{"must have at most %s bytes", "deve ter no máximo %s bytes"},
	{"must have at most %s characters", "deve ter no máximo %s caracteres"},
	{"must have at least %s characters", "deve ter ao menos %s caracteres"},
	{"must not contain control characters", "não pode ter caracteres de controle"},
	{"is not your current password", "não é a sua senha atual"},
	{"must not be your e-mail address", "não pode ser o seu e-mail"},
	{"must be an e-mail address such as %s", "deve ser um e-mail como %s"},
	{"is too easily guessed: it is, or is made from, one of the most common passwords", "é fácil demais de adivinhar: é uma das senhas mais comuns, ou é feita de uma delas"},
	{"is too easily guessed: it is made from your name or e-mail address", "é fácil demais de adivinhar: é feita do seu nome ou e-mail"},
	{"is too easily guessed: it only repeats or counts", "é fácil demais de adivinhar: só repete ou conta"},

	// Of notifications.
	{"must have email or webhook", "deve ter email ou webhook"},
	{"must be an address that begins with https://", "deve ser um endereço que começa com https://"},
	{"must have no user name, password or fragment", "não pode ter nome de usuário, senha ou fragmento"},
	{"must have the name of a host on the internet", "deve ter o nome de um servidor na internet"},

	// Of API keys.
	{"must be a session's access token, not an API key", "deve ser o token de acesso de uma sessão, não uma chave de API"},
	{"must have the scope %s", "deve ter o escopo %s"},

	{"your data is written down once a day: fetch the last export, or wait", "seus dados são reunidos uma vez por dia: baixe a última exportação ou espere"},

	// Of quotas.
	{"%s videos may be registered or retried in a minute", "%s vídeos podem ser registrados ou repetidos por minuto"},
	{"%s videos may be registered or retried in a day (UTC)", "%s vídeos podem ser registrados ou repetidos por dia (UTC)"},
	{"%s minutes of video may be processed in a day (UTC)", "%s minutos de vídeo podem ser processados por dia (UTC)"},
	{"%s bytes may be stored, and %s are: wait until videos expire, or delete some", "%s bytes podem ser guardados, e há %s: espere até que vídeos expirem ou apague alguns"},
	{"%s videos may be under way at the same time: wait until one has ended, or cancel or delete one", "%s vídeos podem estar em andamento ao mesmo tempo: espere até que um termine, ou cancele ou apague um"},

	// Of huma.
	{"unexpected property", "membro desconhecido"},
	{"expected boolean", "deve ser true ou false"},
	{"expected number", "deve ser um número"},
	{"expected integer", "deve ser um número inteiro"},
	{"expected string", "deve ser um texto"},
	{"expected array", "deve ser uma lista"},
	{"expected object", "deve ser um objeto"},
	{"expected value to be one of %s", "deve ser um destes: %s"},
	{"expected number >= %s", "deve ser no mínimo %s"},
	{"expected number > %s", "deve ser maior que %s"},
	{"expected number <= %s", "deve ser no máximo %s"},
	{"expected number < %s", "deve ser menor que %s"},
	{"expected length >= %s", "o número de caracteres deve ser no mínimo %s"},
	{"expected length <= %s", "o número de caracteres deve ser no máximo %s"},
	{"expected array length >= %s", "o número de itens deve ser no mínimo %s"},
	{"expected array length <= %s", "o número de itens deve ser no máximo %s"},
	{"expected string to be 64 hexadecimal digits", "deve ter 64 dígitos hexadecimais"},
	{"expected required property %s to be present", "falta o membro obrigatório %s"},
}

// patterns are what the English of the reasons looks like when it is filled in.
var patterns = sync.OnceValue(func() []*regexp.Regexp {
	compiled := make([]*regexp.Regexp, len(reasons))
	for i, r := range reasons {
		compiled[i] = regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(r.en), "%s", "(.+?)") + "$")
	}
	return compiled
})

// ReasonIn gives, in language l, a reason that was written in English; one that
// is not known stays as it is.
func ReasonIn(l locale.Locale, reason string) string {
	if l != locale.Portuguese {
		return reason
	}
	for i, pattern := range patterns() {
		found := pattern.FindStringSubmatch(reason)
		if found == nil {
			continue
		}
		translated := reasons[i].pt
		for _, word := range found[1:] {
			translated = strings.Replace(translated, "%s", word, 1)
		}
		return translated
	}
	return reason
}
