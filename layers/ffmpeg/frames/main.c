#include "frames.h"

#include <signal.h>

int main(void) {
    signal(SIGPIPE, SIG_IGN); // writing tells
    log_errors();
    struct limits limits = {0};
    read_limits(&limits);
    av_max_alloc((size_t)limits.max_alloc);

    AVFormatContext *format = open_media(&limits);
    write_media(format);
    struct plan plan;
    read_plan(&plan);
    if (plan.stream < 0 || (unsigned)plan.stream >= format->nb_streams)
        fail("engine_failed", "no stream %d", plan.stream);
    extract(format, &plan, &limits);
    free_plan(&plan);
    return 0;
}
