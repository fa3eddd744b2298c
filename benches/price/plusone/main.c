/* Calls plusone as often as it is told and prints the milliseconds that took: gcc -O2. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int plusone(int x);

/* Not inlined, so that it can be found, and counted. */
__attribute__((noinline)) int run(int count)
{
    int x = 0;

    while (x < count) {
        x = plusone(x);
    }
    return x;
}

static long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    int count = argc == 2 ? atoi(argv[1]) : 0;
    long long start = now();
    int x = run(count);

    printf("%lld %d\n", now() - start, x);
    return 0;
}
