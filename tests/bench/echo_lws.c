/* An echo server over libwebsockets: one service thread, its default event loop (poll), a receive buffer that holds the
 * largest message of the bench, several messages written for each time that the socket can be written to, no
 * extensions, no log. libwebsockets sets TCP_NODELAY itself. */

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <libwebsockets.h>

#define BUFFER_BYTES (128 * 1024)

struct message {
    struct message* next;
    size_t size;
    size_t room;
    enum lws_write_protocol kind;
    unsigned char bytes[]; /* LWS_PRE bytes of room for the head, then the payload */
};

/* One connection: the answers that wait, and the message that is being received. */
struct session {
    struct message* first;
    struct message** end;
    struct message* unfinished;
};

/* With room for what is still to come of the frame, so that a large one is not copied again with each piece. */
static struct message* grow(struct message* old, const void* bytes, size_t size, size_t to_come, int binary) {
    const size_t had = old ? old->size : 0;
    struct message* grown = old;
    if (!old || had + size > old->room) {
        grown = realloc(old, sizeof *grown + LWS_PRE + had + size + to_come);
        if (!grown) {
            return NULL;
        }
        grown->room = had + size + to_come;
    }
    memcpy(grown->bytes + LWS_PRE + had, bytes, size);
    grown->size = had + size;
    grown->next = NULL;
    grown->kind = binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    return grown;
}

static int receive(struct lws* wsi, struct session* session, const void* bytes, size_t size) {
    const size_t to_come = lws_remaining_packet_payload(wsi);
    struct message* grown = grow(session->unfinished, bytes, size, to_come, lws_frame_is_binary(wsi));
    if (!grown) {
        return -1;
    }
    session->unfinished = grown;
    if (lws_is_final_fragment(wsi) && to_come == 0) {
        session->unfinished = NULL;
        *session->end = grown;
        session->end = &grown->next;
        lws_callback_on_writable(wsi);
    }
    return 0;
}

static int write_what_waits(struct lws* wsi, struct session* session) {
    while (session->first && !lws_send_pipe_choked(wsi)) {
        struct message* message = session->first;
        if (lws_write(wsi, message->bytes + LWS_PRE, message->size, message->kind) < 0) {
            return -1;
        }
        session->first = message->next;
        if (!session->first) {
            session->end = &session->first;
        }
        free(message);
    }
    if (session->first) {
        lws_callback_on_writable(wsi);
    }
    return 0;
}

static void forget(struct session* session) {
    free(session->unfinished);
    while (session->first) {
        struct message* message = session->first;
        session->first = message->next;
        free(message);
    }
}

static int on_event(struct lws* wsi, enum lws_callback_reasons reason, void* user, void* bytes, size_t size) {
    struct session* session = user;
    switch (reason) {
        case LWS_CALLBACK_ESTABLISHED:
            session->end = &session->first;
            return 0;
        case LWS_CALLBACK_RECEIVE:
            return receive(wsi, session, bytes, size);
        case LWS_CALLBACK_SERVER_WRITEABLE:
            return write_what_waits(wsi, session);
        case LWS_CALLBACK_CLOSED:
            forget(session);
            return 0;
        default:
            return 0;
    }
}

int main(int argc, char** argv) {
    static const struct lws_protocols protocols[] = {
        {.name = "echo",
         .callback = on_event,
         .per_session_data_size = sizeof(struct session),
         .rx_buffer_size = BUFFER_BYTES},
        {0},
    };
    struct lws_context_creation_info info;
    struct lws_context* context;
    struct rlimit limit;
    if (argc != 2) {
        fprintf(stderr, "usage: echo_lws PORT\n");
        return 2;
    }
    /* What is freed with one message is taken again by the next, and not given back to the kernel in between. */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    lws_set_log_level(0, NULL);
    memset(&info, 0, sizeof info);
    info.port = atoi(argv[1]);
    info.iface = "127.0.0.1";
    info.protocols = protocols;
    info.pt_serv_buf_size = BUFFER_BYTES;
    info.timeout_secs = 3600;
    context = lws_create_context(&info);
    if (!context) {
        fprintf(stderr, "echo_lws: port %s cannot be listened on\n", argv[1]);
        return 1;
    }
    printf("listening on 127.0.0.1:%s\n", argv[1]);
    fflush(stdout);
    while (lws_service(context, 0) >= 0) {
    }
    lws_context_destroy(context);
    return 0;
}
