/* Random calls from many threads, with callbacks in the loop of one more: nothing may grow, stick or break.
 * usage: stress SECONDS [URI] */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 16 };

static const char *uri;
static atomic_int stop;
static atomic_long calls, events, progress[THREADS];

static void quiet(void *data, virErrorPtr error)
{
    (void)data, (void)error;
}

static int happened(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)
{
    (void)conn, (void)event, (void)detail, (void)opaque;
    events += virDomainGetName(dom) != NULL;
    return 0;
}

static void *loop(void *opaque)
{
    while (!stop)
        virEventRunDefaultImpl();
    return opaque;
}

static void tick(int timer, void *opaque)
{
    (void)timer, (void)opaque;
}

static void one(virConnectPtr conn, unsigned *seed)
{
    char name[64], xml[512], *text;
    virDomainPtr dom = NULL;
    virTypedParameterPtr params = NULL;
    int nparams = 0, id;

    switch (rand_r(seed) % 14) {
    case 0: {
        virDomainPtr *list = NULL;
        int count = virConnectListAllDomains(conn, &list, 0);
        for (int i = 0; i < count; i++)
            virDomainFree(list[i]);
        free(list);
        break;
    }
    case 1:
        text = virConnectGetCapabilities(conn);
        free(text);
        break;
    case 2:
        snprintf(name, sizeof(name), "s%d", rand_r(seed) % 40);
        snprintf(xml, sizeof(xml), "<domain type='test'><name>%s</name><memory>1024</memory><os><type>hvm</type></os></domain>", name);
        dom = virDomainCreateXML(conn, xml, 0);
        break;
    case 3:
        snprintf(name, sizeof(name), "s%d", rand_r(seed) % 40);
        if ((dom = virDomainLookupByName(conn, name)))
            virDomainDestroy(dom);
        break;
    case 4:
        if ((dom = virDomainLookupByName(conn, "test")) && virDomainGetPerfEvents(dom, &params, &nparams, 0) == 0)
            virTypedParamsFree(params, nparams);
        break;
    case 5:
        if ((dom = virDomainLookupByName(conn, "test")) && (text = virDomainGetXMLDesc(dom, 0)))
            free(text);
        break;
    case 6:
        dom = virDomainLookupByName(conn, "no such domain");
        virGetLastErrorMessage();
        break;
    case 7:
        id = virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(happened), NULL, NULL);
        if (id >= 0)
            virConnectDomainEventDeregisterAny(conn, id);
        break;
    case 8:
        if ((dom = virDomainLookupByName(conn, "test")))
            rand_r(seed) % 2 ? virDomainSuspend(dom) : virDomainResume(dom);
        break;
    case 9: {
        virStoragePoolPtr pool = virStoragePoolLookupByName(conn, "default-pool");
        virStorageVolPtr vol;
        snprintf(xml, sizeof(xml), "<volume><name>v%d</name><capacity>8</capacity></volume>", rand_r(seed) % 30);
        if (pool && (vol = virStorageVolCreateXML(pool, xml, 0))) {
            virStorageVolDelete(vol, 0);
            virStorageVolFree(vol);
        }
        if (pool)
            virStoragePoolFree(pool);
        break;
    }
    case 10: {
        virConnectPtr own = virConnectOpen(uri);
        if (own)
            virConnectClose(own);
        break;
    }
    case 11:
        id = virEventAddTimeout(rand_r(seed) % 5, tick, NULL, NULL);
        virEventUpdateTimeout(id, -1);
        virEventRemoveTimeout(id);
        break;
    case 12: {
        virStreamPtr stream = virStreamNew(conn, 0);
        char data[128];
        if ((dom = virDomainLookupByName(conn, "test")) && (text = virDomainScreenshot(dom, stream, 0, 0))) {
            while (virStreamRecv(stream, data, sizeof(data)) > 0)
                ;
            virStreamFinish(stream);
            free(text);
        }
        virStreamFree(stream);
        break;
    }
    default: {
        virDomainSnapshotPtr snapshot;
        if ((dom = virDomainLookupByName(conn, "test")) && (snapshot = virDomainSnapshotCreateXML(dom, "<domainsnapshot/>", 0))) {
            virDomainSnapshotDelete(snapshot, 0);
            virDomainSnapshotFree(snapshot);
        }
    }
    }
    if (dom)
        virDomainFree(dom);
}

static virConnectPtr shared;

static void *worker(void *opaque)
{
    long number = (long)opaque;
    unsigned seed = 77 + (unsigned)number;

    while (!stop) {
        one(shared, &seed);
        calls++;
        progress[number]++;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? atoi(argv[1]) : 10, failed = 0;
    pthread_t runner, workers[THREADS];
    size_t early = 0, late;

    uri = argc > 2 ? argv[2] : "test:///default";
    virSetErrorFunc(NULL, quiet);
    if (virEventRegisterDefaultImpl() < 0 || !(shared = virConnectOpen(uri)))
        return 2;
    virConnectDomainEventRegisterAny(shared, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(happened), NULL, NULL);
    pthread_create(&runner, NULL, loop, NULL);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&workers[i], NULL, worker, (void *)i);
    for (int second = 0; second < seconds; second++) {
        long before[THREADS];
        for (int i = 0; i < THREADS; i++)
            before[i] = progress[i];
        sleep(1);
        if (second == seconds / 3)
            early = mallinfo2().uordblks;
        for (int i = 0; second % 10 == 9 && i < THREADS; i++)
            if (progress[i] == before[i])
                printf("thread %d made no progress in second %d\n", i, second);
    }
    late = mallinfo2().uordblks;
    stop = 1;
    virEventAddTimeout(0, tick, NULL, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i], NULL);
    pthread_join(runner, NULL);
    failed = late > early + early / 4 + (1 << 20);
    printf("%ld calls, %ld events, %zu bytes in use after a third, %zu at the end%s\n", (long)calls, (long)events, early, late, failed ? ": it grows" : "");
    return failed;
}
