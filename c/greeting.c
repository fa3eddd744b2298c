/* One lock, one thread, one queue ordered by deadline. A handle is a place in a
 * table and how often that place was used: what is over cannot be mistaken. */
#define _POSIX_C_SOURCE 200809L

#include "greeting.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)

/* What is counted. */

static struct {
    _Atomic uint64_t started, ended, callbacks, cancelled, allocations, frees, opened, closed;
} counted;

static void *allocate(size_t size)
{
    void *block = malloc(size);
    if (block != NULL) {
        counted.allocations++;
    }
    return block;
}

static void release(void *block)
{
    if (block != NULL) {
        counted.frees++;
        free(block);
    }
}

void greeting_count(greeting_counts *counts)
{
    if (counts != NULL) {
        *counts = (greeting_counts){
            .started = counted.started,
            .ended = counted.ended,
            .callbacks = counted.callbacks,
            .cancelled = counted.cancelled,
            .allocations = counted.allocations,
            .frees = counted.frees,
            .opened = counted.opened,
            .closed = counted.closed,
        };
    }
}

/* The text. */

size_t greeting_size(const char *name)
{
    /* sizeof counts the NUL. */
    return name == NULL ? 0 : 2 * strlen(name) + sizeof "Hi, ! Bye, !";
}

static greeting_status check(const char *name, const char *buffer, size_t size)
{
    if (name == NULL || buffer == NULL) {
        return GREETING_NULL;
    }
    return size < greeting_size(name) ? GREETING_TOO_SMALL : GREETING_OK;
}

/* The buffer holds the greeting: `check`. */
static void say_hi(const char *name, char *buffer)
{
    sprintf(buffer, "Hi, %s!", name);
}

static void say_bye(const char *name, char *buffer)
{
    sprintf(buffer + strlen(buffer), " Bye, %s!", name);
}

greeting_status greeting_now(const char *name, char *buffer, size_t size)
{
    greeting_status status = check(name, buffer, size);

    if (status == GREETING_OK) {
        say_hi(name, buffer);
        say_bye(name, buffer);
    }
    return status;
}

greeting_status greeting_wait(const char *name, char *buffer, size_t size, uint64_t delay)
{
    greeting_status status = check(name, buffer, size);

    if (status == GREETING_OK) {
        struct timespec left = {.tv_sec = (time_t)(delay / SECOND),
                                .tv_nsec = (long)(delay % SECOND)};
        say_hi(name, buffer);
        while (nanosleep(&left, &left) != 0 && errno == EINTR) {
        }
        say_bye(name, buffer);
    }
    return status;
}

/* The queue: a binary heap, the next deadline first. */

typedef struct greeting {
    uint64_t deadline; /* nanoseconds of the monotonic clock; 0: at once */
    size_t place;      /* in the queue, while `status` is pending */
    uint32_t slot;     /* in the table */
    bool cancelled;
    greeting_status status;
    greeting_callback callback; /* null: it has a descriptor instead */
    void *user_data;
    int fd;
    char *buffer;
    char name[];
} greeting;

typedef struct slot {
    greeting *greeting;  /* null: the place is free */
    uint32_t generation; /* never 0 in a handle */
    uint32_t next_free;
} slot;

/* All below is guarded by this lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed; /* the queue's head, or `stopping` */
static pthread_t thread;
static bool running, stopping, calling_back;

static greeting **queue;
static size_t queued;
static slot *table;
static uint32_t capacity, used; /* of the table; the queue's capacity is the same */
static uint32_t first_free;     /* meaningful while used < capacity */
static uint32_t newest = 1;     /* the latest generation: new tables go on from there */

static void put(greeting *self, size_t place)
{
    queue[place] = self;
    self->place = place;
}

static void rise(greeting *self)
{
    size_t place = self->place;

    while (place > 0 && self->deadline < queue[(place - 1) / 2]->deadline) {
        put(queue[(place - 1) / 2], place);
        place = (place - 1) / 2;
    }
    put(self, place);
}

static void sink(greeting *self)
{
    size_t place = self->place;

    for (;;) {
        size_t child = 2 * place + 1;
        if (child + 1 < queued && queue[child + 1]->deadline < queue[child]->deadline) {
            child++;
        }
        if (child >= queued || self->deadline <= queue[child]->deadline) {
            break;
        }
        put(queue[child], place);
        place = child;
    }
    put(self, place);
}

static void leave_queue(const greeting *self)
{
    greeting *last = queue[--queued];

    if (last != self) {
        put(last, self->place);
        rise(last);
        sink(last);
    }
}

/* The table. */

/* Makes room for one more. */
static bool reserve(void)
{
    if (used < capacity) {
        return true;
    }
    if (capacity > UINT32_MAX / 2) {
        return false;
    }
    uint32_t wider = capacity == 0 ? 64 : 2 * capacity;
    greeting **new_queue = allocate(wider * sizeof *new_queue);
    slot *new_table = allocate(wider * sizeof *new_table);
    if (new_queue == NULL || new_table == NULL) {
        release(new_queue);
        release(new_table);
        return false;
    }
    if (capacity != 0) {
        memcpy(new_queue, queue, queued * sizeof *queue);
        memcpy(new_table, table, capacity * sizeof *table);
    }
    for (uint32_t i = capacity; i < wider; i++) {
        new_table[i] = (slot){.greeting = NULL, .generation = newest, .next_free = i + 1};
    }
    release(queue);
    release(table);
    queue = new_queue;
    table = new_table;
    first_free = capacity;
    capacity = wider;
    return true;
}

static greeting_handle enter(greeting *self)
{
    slot *mine = &table[first_free];

    self->slot = first_free;
    first_free = mine->next_free;
    mine->greeting = self;
    used++;
    return (uint64_t)mine->generation << 32 | self->slot;
}

static greeting *find(greeting_handle handle)
{
    uint64_t place = handle & UINT32_MAX;

    return place < capacity && table[place].generation == handle >> 32 ? table[place].greeting
                                                                       : NULL;
}

static void leave(const greeting *self)
{
    slot *mine = &table[self->slot];

    mine->greeting = NULL;
    mine->generation += mine->generation == UINT32_MAX ? 2 : 1; /* not 0 */
    newest = mine->generation > newest ? mine->generation : newest;
    mine->next_free = first_free;
    first_free = self->slot;
    used--;
}

/* The thread. */

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* It has left the queue. Called with the lock held, which a callback is without. */
static void complete(greeting *self)
{
    self->status = self->cancelled ? GREETING_CANCELLED : GREETING_OK;
    if (self->status == GREETING_OK) {
        say_bye(self->name, self->buffer);
    }
    if (self->callback == NULL) {
        /* Cannot fail: the counter is far from full. */
        uint64_t one = 1;
        (void)!write(self->fd, &one, sizeof one);
        return;
    }

    greeting_callback callback = self->callback;
    greeting_status status = self->status;
    void *user_data = self->user_data;
    leave(self);
    release(self); /* first: whoever is told may count */
    counted.ended++;
    counted.callbacks++;
    calling_back = true;
    pthread_mutex_unlock(&lock);
    callback(status, user_data);
    pthread_mutex_lock(&lock);
    calling_back = false;
}

static void *run(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    while (!stopping) {
        if (queued == 0) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        greeting *first = queue[0];
        if (first->deadline > now()) {
            struct timespec until = {.tv_sec = (time_t)(first->deadline / SECOND),
                                     .tv_nsec = (long)(first->deadline % SECOND)};
            pthread_cond_timedwait(&changed, &lock, &until);
            continue;
        }
        leave_queue(first);
        complete(first);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static bool start_thread(void)
{
    if (running) {
        return !stopping;
    }

    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0) {
        return false;
    }
    bool ready = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
                 pthread_cond_init(&changed, &monotonic) == 0;
    pthread_condattr_destroy(&monotonic);
    if (!ready) {
        return false;
    }

    /* Signals are the program's: none is to be delivered on a thread of ours. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    running = pthread_create(&thread, NULL, run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!running) {
        pthread_cond_destroy(&changed);
    }
    return running;
}

greeting_status greeting_shutdown(void)
{
    pthread_mutex_lock(&lock);
    if (used != 0 || calling_back || stopping) {
        pthread_mutex_unlock(&lock);
        return GREETING_PENDING;
    }
    if (running) {
        stopping = true;
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&lock);
        pthread_join(thread, NULL);
        pthread_mutex_lock(&lock);
        pthread_cond_destroy(&changed);
        running = stopping = false;
    }
    release(queue);
    release(table);
    queue = NULL;
    table = NULL;
    capacity = 0;
    pthread_mutex_unlock(&lock);
    return GREETING_OK;
}

/* Greetings. */

static greeting *new_greeting(const char *name, char *buffer, uint64_t delay)
{
    size_t len = strlen(name) + 1;
    uint64_t started = now();
    greeting *self = allocate(sizeof *self + len);

    if (self != NULL) {
        *self = (greeting){
            .deadline = delay > UINT64_MAX - started ? UINT64_MAX : started + delay,
            .status = GREETING_PENDING,
            .fd = -1,
            .buffer = buffer,
        };
        memcpy(self->name, name, len);
    }
    return self;
}

/* Takes it over, or returns an error with nothing changed. */
static greeting_status begin(greeting *self, greeting_handle *handle)
{
    greeting_status status = GREETING_OK;

    pthread_mutex_lock(&lock);
    if (!start_thread()) {
        status = GREETING_NO_THREAD;
    } else if (!reserve()) {
        status = GREETING_NO_MEMORY;
    } else {
        say_hi(self->name, self->buffer);
        counted.started++;
        greeting_handle mine = enter(self);
        if (handle != NULL) {
            *handle = mine;
        }
        self->place = queued++;
        rise(self);
        if (queue[0] == self) {
            pthread_cond_signal(&changed);
        }
    }
    pthread_mutex_unlock(&lock);
    return status;
}

greeting_status greeting_start(const char *name, char *buffer, size_t size, uint64_t delay,
                               greeting_callback callback, void *user_data,
                               greeting_handle *handle)
{
    greeting_status status = callback == NULL ? GREETING_NULL : check(name, buffer, size);

    if (status != GREETING_OK) {
        return status;
    }
    if (delay == 0) {
        greeting_now(name, buffer, size);
        if (handle != NULL) {
            *handle = 0;
        }
        counted.started++;
        counted.ended++;
        counted.callbacks++;
        callback(GREETING_OK, user_data);
        return GREETING_OK;
    }

    greeting *self = new_greeting(name, buffer, delay);
    if (self == NULL) {
        return GREETING_NO_MEMORY;
    }
    self->callback = callback;
    self->user_data = user_data;
    status = begin(self, handle);
    if (status != GREETING_OK) {
        release(self);
    }
    return status;
}

greeting_status greeting_open(const char *name, char *buffer, size_t size, uint64_t delay,
                              int *fd, greeting_handle *handle)
{
    greeting_status status =
        fd == NULL || handle == NULL ? GREETING_NULL : check(name, buffer, size);

    if (status != GREETING_OK) {
        return status;
    }
    greeting *self = new_greeting(name, buffer, delay);
    if (self == NULL) {
        return GREETING_NO_MEMORY;
    }
    int mine = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mine < 0) {
        release(self);
        return GREETING_NO_DESCRIPTOR;
    }
    counted.opened++;
    self->fd = mine;
    status = begin(self, handle);
    if (status == GREETING_OK) {
        *fd = mine;
    } else {
        close(mine);
        counted.closed++;
        release(self);
    }
    return status;
}

greeting_status greeting_cancel(greeting_handle handle)
{
    greeting_status status = GREETING_OK;

    pthread_mutex_lock(&lock);
    greeting *self = find(handle);
    if (self == NULL || (self->status != GREETING_PENDING && !self->cancelled)) {
        status = GREETING_UNKNOWN;
    } else if (self->cancelled) {
        status = GREETING_CANCELLED;
    } else {
        self->cancelled = true;
        counted.cancelled++;
        self->deadline = 0;
        rise(self);
        pthread_cond_signal(&changed);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

greeting_status greeting_result(greeting_handle handle)
{
    pthread_mutex_lock(&lock);
    greeting *self = find(handle);
    bool known = self != NULL && self->callback == NULL;
    greeting_status status = known ? self->status : GREETING_UNKNOWN;
    pthread_mutex_unlock(&lock);
    return status;
}

greeting_status greeting_free(greeting_handle handle)
{
    greeting_status status = GREETING_OK;

    pthread_mutex_lock(&lock);
    greeting *self = find(handle);
    if (self == NULL) {
        status = GREETING_UNKNOWN;
    } else if (self->callback != NULL) {
        status = GREETING_PENDING;
    } else {
        if (self->status == GREETING_PENDING) {
            if (!self->cancelled) {
                counted.cancelled++;
            }
            leave_queue(self);
        }
        leave(self);
        close(self->fd);
        counted.closed++;
        counted.ended++;
        release(self);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

/* Hosts. */

struct greeting_host {
    pthread_t owner;
    uint64_t served;
};

greeting_host *greeting_host_new(void)
{
    greeting_host *self = allocate(sizeof *self);

    if (self != NULL) {
        *self = (greeting_host){.owner = pthread_self()};
    }
    return self;
}

greeting_status greeting_host_greet(greeting_host *self, const char *name, char *buffer,
                                    size_t size, uint64_t *served)
{
    if (self == NULL) {
        return GREETING_NULL;
    }
    if (!pthread_equal(self->owner, pthread_self())) {
        return GREETING_WRONG_THREAD;
    }
    greeting_status status = greeting_now(name, buffer, size);
    if (status == GREETING_OK) {
        self->served++;
        if (served != NULL) {
            *served = self->served;
        }
    }
    return status;
}

greeting_status greeting_host_free(greeting_host *self)
{
    if (self != NULL && !pthread_equal(self->owner, pthread_self())) {
        return GREETING_WRONG_THREAD;
    }
    release(self);
    return GREETING_OK;
}
