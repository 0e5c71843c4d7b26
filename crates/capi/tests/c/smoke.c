/* Uses every kind of object of test:///default once, for a memory checker. */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define MUST(expression) \
    do { \
        if (!(expression)) { \
            printf("line %d: %s: %s\n", __LINE__, #expression, virGetLastErrorMessage()); \
            failures++; \
        } \
    } while (0)

static int events;

static int happened(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)
{
    (void)conn, (void)opaque;
    MUST(virDomainGetName(dom) != NULL);
    events += event >= 0 && detail >= 0;
    return 0;
}

static void freed(void *opaque)
{
    ++*(int *)opaque;
}

static void quiet(void *data, virErrorPtr error)
{
    (void)data, (void)error;
}

static void strings(char **list, int count)
{
    for (int i = 0; i < count; i++)
        free(list[i]);
}

static void domains(virConnectPtr conn)
{
    virDomainPtr *list = NULL, dom = virDomainLookupByName(conn, "test");
    virDomainInfo info;
    virTypedParameterPtr params = NULL;
    virDomainStatsRecordPtr *stats = NULL;
    virDomainInterfacePtr *interfaces = NULL;
    virDomainFSInfoPtr *systems = NULL;
    virVcpuInfo vcpus[4];
    unsigned char maps[16], uuid[VIR_UUID_BUFLEN];
    char text[VIR_UUID_STRING_BUFLEN], *xml;
    int count = virConnectListAllDomains(conn, &list, 0), nparams = 0;

    MUST(count >= 1 && dom);
    for (int i = 0; i < count; i++)
        virDomainFree(list[i]);
    free(list);
    MUST(virDomainRef(dom) == 0 && virDomainFree(dom) == 0);
    MUST(virDomainGetInfo(dom, &info) == 0 && info.nrVirtCpu == 2);
    MUST(virDomainGetUUID(dom, uuid) == 0 && virDomainGetUUIDString(dom, text) == 0);
    MUST((xml = virDomainGetXMLDesc(dom, 0)) != NULL);
    free(xml);
    MUST(virDomainGetVcpus(dom, vcpus, 4, maps, 4) == 2);
    MUST(virDomainGetPerfEvents(dom, &params, &nparams, 0) == 0);
    virTypedParamsFree(params, nparams);
    MUST((count = virConnectGetAllDomainStats(conn, 0, &stats, 0)) >= 1);
    virDomainStatsRecordListFree(stats);
    MUST((count = virDomainInterfaceAddresses(dom, &interfaces, 0, 0)) == 1);
    for (int i = 0; i < count; i++)
        virDomainInterfaceFree(interfaces[i]);
    free(interfaces);
    MUST((count = virDomainGetFSInfo(dom, &systems, 0)) == 2);
    for (int i = 0; i < count; i++)
        virDomainFSInfoFree(systems[i]);
    free(systems);
    MUST(virDomainSuspend(dom) == 0 && virDomainResume(dom) == 0);
    virDomainFree(dom);
}

static void moments(virConnectPtr conn)
{
    virDomainPtr dom = virDomainLookupByName(conn, "test");
    virDomainSnapshotPtr one = virDomainSnapshotCreateXML(dom, "<domainsnapshot><name>a</name></domainsnapshot>", 0);
    virDomainSnapshotPtr two = virDomainSnapshotCreateXML(dom, "<domainsnapshot><name>b</name></domainsnapshot>", 0);
    virDomainSnapshotPtr parent = virDomainSnapshotGetParent(two, 0);
    char *names[4], *xml = virDomainSnapshotGetXMLDesc(one, 0);
    int count = virDomainSnapshotListNames(dom, names, 4, 0);
    virDomainCheckpointPtr point;

    MUST(one && two && parent && xml && count == 2);
    strings(names, count);
    free(xml);
    MUST(strcmp(virDomainGetName(virDomainSnapshotGetDomain(two)), "test") == 0);
    MUST(virDomainRevertToSnapshot(one, 0) == 0);
    virDomainSnapshotFree(parent);
    MUST(virDomainSnapshotDelete(two, 0) == 0 && virDomainSnapshotDelete(one, 0) == 0);
    virDomainSnapshotFree(one);
    virDomainSnapshotFree(two);
    MUST((point = virDomainCheckpointCreateXML(dom, "<domaincheckpoint/>", 0)) != NULL);
    MUST(virDomainCheckpointDelete(point, 0) == 0);
    virDomainCheckpointFree(point);
    virDomainFree(dom);
}

static void others(virConnectPtr conn)
{
    virNetworkPtr net = virNetworkLookupByName(conn, "default");
    virInterfacePtr interface = virInterfaceLookupByName(conn, "eth1");
    virStoragePoolPtr pool = virStoragePoolLookupByName(conn, "default-pool");
    virStorageVolPtr vol = virStorageVolCreateXML(pool, "<volume><name>v</name><capacity>9</capacity></volume>", 0);
    virNodeDevicePtr device = virNodeDeviceLookupByName(conn, "scsi_host1");
    char *text;

    MUST(net && interface && pool && vol && device);
    MUST((text = virNetworkGetBridgeName(net)) != NULL);
    free(text);
    MUST(strcmp(virInterfaceGetMACString(interface), "aa:bb:cc:dd:ee:ff") == 0);
    MUST((text = virStorageVolGetPath(vol)) != NULL);
    free(text);
    MUST(virStorageVolDelete(vol, 0) == 0);
    MUST(strcmp(virNodeDeviceGetParent(device), "computer") == 0);
    virNetworkFree(net);
    virInterfaceFree(interface);
    virStorageVolFree(vol);
    virStoragePoolFree(pool);
    virNodeDeviceFree(device);
}

static void streams(virConnectPtr conn)
{
    virDomainPtr dom = virDomainLookupByName(conn, "test");
    virStreamPtr stream = virStreamNew(conn, 0);
    char data[256], *mime = virDomainScreenshot(dom, stream, 0, 0);

    MUST(mime && virStreamRecv(stream, data, sizeof(data)) > 0 && virStreamRecv(stream, data, sizeof(data)) == 0);
    MUST(virStreamFinish(stream) == 0);
    free(mime);
    virStreamFree(stream);
    virDomainFree(dom);
}

static void mistakes(virConnectPtr conn)
{
    virDomainPtr dom = virDomainLookupByName(conn, "test");
    virErrorPtr saved;

    MUST(virDomainGetName(NULL) == NULL && virGetLastErrorCode() == VIR_ERR_INVALID_DOMAIN);
    MUST(virDomainFree((virDomainPtr)conn) == -1);
    MUST(virNetworkFree((virNetworkPtr)dom) == -1);
    MUST((saved = virSaveLastError()) && saved->code == VIR_ERR_INVALID_NETWORK);
    virFreeError(saved);
    virDomainFree(dom);
    MUST(virDomainFree(dom) == -1 && virGetLastErrorCode() == VIR_ERR_INVALID_DOMAIN);
    MUST(virDomainFree((virDomainPtr)"no handle at all") == -1);
    virResetLastError();
    MUST(virGetLastError() == NULL);
}

int main(int argc, char **argv)
{
    int gone = 0;
    virConnectPtr conn;
    virTypedParameterPtr params = NULL;
    int nparams = 0, room = 0;
    const char *value = NULL;

    virSetErrorFunc(NULL, quiet);
    MUST(virEventRegisterDefaultImpl() == 0);
    MUST((conn = virConnectOpen(argc > 1 ? argv[1] : "test:///default")) != NULL);
    MUST(virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                          VIR_DOMAIN_EVENT_CALLBACK(happened), &gone, freed) == 0);
    domains(conn);
    MUST(virEventRunDefaultImpl() == 0);
    MUST(events == 2);
    moments(conn);
    others(conn);
    streams(conn);
    mistakes(conn);
    MUST(virConnectDomainEventDeregisterAny(conn, 0) == 0);
    MUST(gone == 1);
    MUST(virTypedParamsAddString(&params, &nparams, &room, "name", "text") == 0);
    MUST(virTypedParamsAddInt(&params, &nparams, &room, "number", -3) == 0);
    MUST(virTypedParamsGetString(params, nparams, "name", &value) == 1 && strcmp(value, "text") == 0);
    virTypedParamsFree(params, nparams);
    MUST(virConnectClose(conn) == 0);
    printf("%d failures\n", failures);
    return failures != 0;
}
