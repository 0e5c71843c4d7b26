/* Times calls of the stock client library: whatever libvirt.so.0 is installed.
 *
 *   client URI MEASURE ROUNDS      prints one number: microseconds, or calls per second for "calls"
 *
 * The functions are declared here, so that no headers are needed. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct conn *virConnectPtr;
typedef struct dom *virDomainPtr;
int virConnectClose(virConnectPtr);
int virConnectGetLibVersion(virConnectPtr, unsigned long *);
int virConnectListAllDomains(virConnectPtr, virDomainPtr **, unsigned int);
int virDomainCreate(virDomainPtr);
int virDomainDestroy(virDomainPtr);
int virDomainFree(virDomainPtr);
int virDomainListGetStats(virDomainPtr *, unsigned int, void ***, unsigned int);
int virDomainUndefine(virDomainPtr);
void virDomainStatsRecordListFree(void **);
char *virDomainGetXMLDesc(virDomainPtr, unsigned int);
virConnectPtr virConnectOpen(const char *);
virDomainPtr virDomainDefineXML(virConnectPtr, const char *);
virDomainPtr virDomainLookupByName(virConnectPtr, const char *);

enum { MOST = 128, GUESTS = 4 };

static const char *uri;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void need(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times, int count)
{
    qsort(times, count, sizeof *times, order);
    return times[count / 2];
}

static virConnectPtr dial(void)
{
    virConnectPtr conn = virConnectOpen(uri);
    need(conn != NULL, "connecting");
    return conn;
}

static virDomainPtr define(virConnectPtr conn, int index)
{
    char text[2048];
    snprintf(text, sizeof text,
             "<domain type='qemu'><name>bench-%d</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
             "<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/><apic/></features>"
             "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
             "<controller type='usb' index='0' model='none'/><serial type='pty'/>"
             "<interface type='user'><model type='virtio'/></interface><memballoon model='virtio'/></devices></domain>",
             index);
    virDomainPtr dom = virDomainDefineXML(conn, text);
    need(dom != NULL, "defining");
    return dom;
}

static atomic_int over;
static atomic_long count;

static void *caller(void *arg)
{
    unsigned long version;
    while (!atomic_load(&over) && virConnectGetLibVersion(arg, &version) == 0)
        atomic_fetch_add(&count, 1);
    return NULL;
}

static double calls(int milliseconds)
{
    virConnectPtr conns[8];
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        conns[i] = dial();
    double begin = now();
    for (int i = 0; i < 8; i++)
        need(pthread_create(&threads[i], NULL, caller, conns[i]) == 0, "starting a thread");
    usleep(milliseconds * 1000);
    double done = atomic_load(&count), span = now() - begin;
    atomic_store(&over, 1);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        virConnectClose(conns[i]);
    }
    return done / span * 1e6;
}

int main(int argc, char **argv)
{
    need(argc == 4, "usage: client URI MEASURE ROUNDS");
    uri = argv[1];
    const char *what = argv[2];
    int rounds = atoi(argv[3]);
    need(rounds > 0, "counting");
    if (!strcmp(what, "calls")) {
        printf("%.3f\n", calls(rounds));
        return 0;
    }
    double *times = calloc(rounds, sizeof *times);
    need(times != NULL, "allocating");
    if (!strcmp(what, "connect")) {
        for (int i = 0; i < rounds; i++) {
            double begin = now();
            virConnectPtr conn = dial();
            times[i] = now() - begin;
            virConnectClose(conn);
        }
        printf("%.3f\n", median(times, rounds));
        return 0;
    }
    virConnectPtr conn = dial();
    virDomainPtr doms[MOST];
    int defined = !strcmp(what, "ping") || !strcmp(what, "define") ? 0
                  : !strcmp(what, "list")                          ? 100
                  : !strcmp(what, "stats")                         ? GUESTS
                  : !strcmp(what, "lookup")                        ? 20
                                                                   : 1;
    for (int i = 0; i < defined; i++)
        doms[i] = define(conn, i);
    if (!strcmp(what, "stats"))
        for (int i = 0; i < defined; i++)
            need(virDomainCreate(doms[i]) == 0, "starting");
    for (int i = -rounds / 10; i < rounds; i++) {
        double begin = now(), end = 0;
        if (!strcmp(what, "ping")) {
            unsigned long version;
            need(virConnectGetLibVersion(conn, &version) == 0, "calling");
        } else if (!strcmp(what, "define")) {
            need(defined < MOST, "counting");
            doms[defined] = define(conn, defined);
            defined++;
        } else if (!strcmp(what, "lookup")) {
            char name[32];
            snprintf(name, sizeof name, "bench-%d", (i + rounds) % 20);
            virDomainPtr dom = virDomainLookupByName(conn, name);
            end = now();
            need(dom != NULL, "looking up");
            virDomainFree(dom);
        } else if (!strcmp(what, "list")) {
            virDomainPtr *list;
            int got = virConnectListAllDomains(conn, &list, 0);
            end = now();
            need(got >= 100, "listing");
            for (int j = 0; j < got; j++)
                virDomainFree(list[j]);
            free(list);
        } else if (!strcmp(what, "xml")) {
            char *text = virDomainGetXMLDesc(doms[0], 0);
            end = now();
            need(text != NULL, "printing");
            free(text);
        } else if (!strcmp(what, "stats")) {
            void **records;
            virDomainPtr list[GUESTS + 1] = {doms[0], doms[1], doms[2], doms[3], NULL};
            need(virDomainListGetStats(list, 0, &records, 0) == GUESTS, "asking");
            end = now();
            virDomainStatsRecordListFree(records);
        } else if (!strcmp(what, "create")) {
            need(virDomainCreate(doms[0]) == 0, "starting");
            end = now();
            need(virDomainDestroy(doms[0]) == 0, "ending");
        } else if (!strcmp(what, "destroy")) {
            need(virDomainCreate(doms[0]) == 0, "starting");
            begin = now();
            need(virDomainDestroy(doms[0]) == 0, "ending");
        } else {
            need(0, "finding the measure");
        }
        if (i >= 0)
            times[i] = (end ? end : now()) - begin;
    }
    for (int i = 0; i < defined; i++) {
        if (!strcmp(what, "stats"))
            virDomainDestroy(doms[i]);
        virDomainUndefine(doms[i]);
        virDomainFree(doms[i]);
    }
    virConnectClose(conn);
    printf("%.3f\n", median(times, rounds) / (!strcmp(what, "stats") ? GUESTS : 1));
    return 0;
}
