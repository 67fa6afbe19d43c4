// The person's videos: the list, and each that is looked at.

import { t } from "./i18n";
import { VideoList, type Surroundings } from "./list";
import { announcement, api, explain, onLeave } from "./state";
import { Watched } from "./watched";

const around: Surroundings = {
  api,
  explain,
  announce: (video) => { announcement.value = t.announce(video.filename, t[`status_${video.status}`]); },
};

export const videos = new VideoList(around);
onLeave(() => videos.forget());

export const watched = (id: string) => new Watched(id, around);
