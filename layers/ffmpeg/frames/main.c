#include "frames.h"

#include <signal.h>

int main(void) {
    signal(SIGPIPE, SIG_IGN); // writing tells
    log_errors();
    // The libraries' structures are others in each major version.
    if (avformat_version() >> 16 != LIBAVFORMAT_VERSION_MAJOR || avcodec_version() >> 16 != LIBAVCODEC_VERSION_MAJOR)
        fail("engine_failed", "built with the headers of another FFmpeg than %s", av_version_info());
    struct limits limits = {0};
    read_limits(&limits);
    av_max_alloc((size_t)limits.max_alloc);
    const char *unfiltered = confine(&limits); // before the first byte of the video

    AVFormatContext *format = open_media(&limits);
    write_media(format, unfiltered);
    struct plan plan;
    read_plan(&plan);
    if (plan.stream < 0 || (unsigned)plan.stream >= format->nb_streams)
        fail("engine_failed", "no stream %d", plan.stream);
    extract(format, &plan, &limits);
    free_plan(&plan);
    return 0;
}
