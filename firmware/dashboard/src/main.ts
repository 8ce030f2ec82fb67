/** The page: asks the hub for its fleet, opens the device that the address names, and keeps both current. */
import { type Device, get, type NodeWords } from "./api";
import { DevicePanel, showFacts } from "./device";
import { byId, setText } from "./dom";
import { FleetTable } from "./fleet";
import { formatCount } from "./format";
import { healthOf, ordered } from "./order";
import { showUplink, uplinkFacts } from "./uplink";

let devices: Device[] | undefined;
let panel: DevicePanel | undefined;
let hubAnswers = true;
let words: NodeWords | undefined;
/** A node that has no uplink gets none while it runs: it is not asked again until it was out of reach. */
let askForUplink = true;

const table = new FleetTable(() => show());

/** A large fleet is a large answer: it is asked for less often. */
function pollInterval(): number {
  if (!hubAnswers) return 2_000 + 2_000 * Math.random();
  return Math.min(10_000, Math.max(1_000, 5 * (devices?.length ?? 0)));
}

/** Apart from the fleet: this answer waits for the node's disk. */
async function pollUplink(): Promise<void> {
  if (!askForUplink) return;
  askForUplink = false;
  try {
    words = await get<NodeWords>("api/node/words");
    askForUplink = uplinkFacts(words, Date.now()) !== undefined;
  } catch {
    askForUplink = true;
  }
}

async function poll(): Promise<void> {
  try {
    if (!document.hidden) void pollUplink();
    if (!document.hidden || !devices) devices = (await get<{ devices: Device[] }>("api/devices")).devices;
    hubAnswers = true;
  } catch {
    hubAnswers = false;
    askForUplink = true;
  }
  route();
  setTimeout(poll, pollInterval());
}

/** The device that the address names; else the one that is open; else the one most in need of a look. */
function wanted(): string | undefined {
  const named = /^#\/device\/(.+)$/.exec(location.hash)?.[1];
  if (named !== undefined) {
    try {
      return decodeURIComponent(named);
    } catch {
      return named;
    }
  }
  return panel?.id ?? ordered(devices ?? [], "state")[0]?.id;
}

function route(): void {
  const id = wanted();
  if (id !== panel?.id) {
    panel?.stop();
    panel = id === undefined ? undefined : new DevicePanel(id, show);
  }
  show();
}

function show(): void {
  const now = Date.now();
  showHubState();
  showUplink(words, now);
  if (!devices) return;
  const list = devices;
  table.show(list, now, panel?.id);
  byId("empty").hidden = list.length > 0;
  byId("fleet").hidden = list.length === 0;
  byId("device").hidden = panel === undefined;
  showFacts(list.find((device) => device.id === panel?.id), now);

  const offline = list.filter((device) => healthOf(device) === "offline").length;
  const backlog = list.reduce((sum, device) => sum + (device.backlog ?? 0), 0);
  setText(byId("count-devices"), formatCount(list.length));
  setText(byId("word-devices"), list.length === 1 ? "device" : "devices");
  setText(byId("count-offline"), formatCount(offline));
  setText(byId("count-backlog"), formatCount(backlog));
  byId("count-offline").classList.toggle("bad", offline > 0);
  document.title = offline > 0 ? `${offline} offline · Holdfast` : "Holdfast";
}

function showHubState(): void {
  const state = byId("hub-state");
  const [health, text] = !hubAnswers
    ? ["offline", "Hub unreachable, trying again"]
    : !devices
      ? ["behind", "Connecting"]
      : panel && !panel.isLive
        ? ["behind", "Live feed interrupted"]
        : ["online", panel ? "Live" : "Connected"];
  if (state.dataset.health !== health) state.dataset.health = health;
  // What is shown may be old by now.
  byId("main").classList.toggle("stale", !hubAnswers);
  // The text is announced when it changes, so it is only written when it does.
  setText(state, text!);
}

addEventListener("hashchange", () => {
  route();
  const target = byId("device");
  if (target.getBoundingClientRect().top > innerHeight - 160) target.scrollIntoView({ behavior: "smooth" });
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => panel?.recolour());
setInterval(() => {
  // A page in the background gets no frames; they would pile up.
  if (document.hidden) return;
  requestAnimationFrame(() => {
    show();
    panel?.tick(Date.now());
  });
}, 1_000);
void poll();
