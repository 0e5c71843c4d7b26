//! Names of flags that every supported emulator has, or that stand for nothing any more. They may occur in cache
//! documents of older versions.

/// The names, separated by blanks.
const NAMES: &str = "\
    vnc-colon no-reboot drive drive-boot name uuid domid vnet-hdr migrate-kvm-stdio migrate-qemu-tcp \
    migrate-qemu-exec drive-cache-v2 drive-format vga 0.10 pci-device mem-path drive-serial xen-domid \
    migrate-qemu-unix chardev enable-kvm monitor-json balloon device smp-topology netdev rtc vhost-net \
    rtc-td-hack no-hpet no-kvm-pit tdf pci-configfd nodefconfig boot-menu fsdev nesting name-process \
    drive-readonly smbios-type vga-qxl vga-none migrate-qemu-fd boot-index drive-aio pci-multibus \
    pci-bootindex chardev-spicevmc device-spicevmc virtio-tx-alg device-qxl-vga pci-multifunction \
    virtio-blk-pci.ioeventfd sga virtio-blk-pci.event_idx virtio-net-pci.event_idx cache-directsync \
    no-shutdown cache-unsafe rombar no-acpi fsdev-readonly blk-sg-io drive-copy-on-read cpu-host \
    fsdev-writeout drive-iotune system_wakeup transaction block-job-sync block-job-async scsi-cd ide-cd \
    no-user-config dump-guest-memory virtio-s390 balloon-event bridge blockio disable-s3 disable-s4 \
    ide-drive.wwn scsi-disk.wwn reboot-timeout dump-guest-core seamless-migration block-commit drive-mirror \
    usb-redir.bootindex usb-host.bootindex blockdev-snapshot-sync device-video-primary usb-net add-fd \
    nbd-server dtb ipv6-migration machine-opt machine-usb-opt vfio-pci.bootindex scsi-generic \
    scsi-generic.bootindex mem-merge vnc-websocket drive-discard mlock vnc-share-policy device-del-event \
    i440fx-pci-hole64-size q35-pci-hole64-size usb-storage.removable boot-strict enable-fips \
    spice-file-xfer-disable spiceport host-pci-multidomain msg-timestamp active-commit change-backing-file \
    memory-backend-ram numa memory-backend-file splash-timeout iothread ivshmem drive-iotune-max \
    qxl-vga.vgamem_mb aes-key-wrap dea-key-wrap aarch64-off vhost-user-multiqueue migration-event \
    gpex-pcihost gic-version incoming-defer chardev-file-append ich9-disable-s3 ich9-disable-s4 \
    vserport-change-event qxl-vga.vram64_size_mb chardev-logfile debug-threads secret \
    device-tray-moved-event nec-usb-xhci-ports virtio-scsi-pci.iothread name-guest qxl.max_outputs \
    qxl-vga.max_outputs spice-unix drive-detect-zeroes tls-creds-x509 display smm virtio-pci-disable-legacy \
    query-hotpluggable-cpus virtio-net.rx_queue_size machine-iommu drive-iotune-max-length query-qmp-schema \
    gluster.debug_level drive-iotune-group virtio-net.host_mtu block-write-threshold query-named-block-nodes \
    cpu-cache kernel-irqchip kernel-irqchip.split virtio.iommu_platform virtio.ats loadparm \
    vnc-multi-servers virtio-net.tx_queue_size virtio-gpu.max_outputs vxhs virtio-blk.num-queues \
    machine.pseries.resize-hpt numa.dist disk-share-rw iscsi.password-secret machine.pseries.max-cpu-compat \
    dump-completed qcow2-luks seccomp-blacklist query-cpus-fast disk-write-cache qom-list-properties \
    memory-backend-file.discard-data virtual-css-bridge virtual-css-bridge.cssid-unrestricted sdl-gl \
    blockdev-del chardev-fd-pass machine.pseries.cap-hpt-max-page-size machine.pseries.cap-htm \
    usb-storage.werror vfio-pci.display blockdev iothread.poll-max-ns machine.pseries.cap-nested-hv \
    memory-backend-file.align scsi-disk.device_id overcommit query-current-machine bitmap-merge nbd-bitmap \
    incremental-backup machine.pseries.cap-ccf-assist blockdev-file-dynamic-auto-read-only \
    savevm-monitor-nodes virtio-net.failover query-named-block-nodes.flat \
    blockdev-snapshot.allow-write-only-overlay blockdev-reopen storage.werror virtio.packed \
    machine.pseries.cap-cfpc machine.pseries.cap-sbbc machine.pseries.cap-ibs \
    query-cpu-model-expansion.migratable fw_cfg migration-param.bandwidth migration-param.downtime \
    migration-param.xbzrle-cache-size blockdev-hostdev-scsi block-export-add fsdev.createmode vnc-opts \
    migration-param.block-bitmap-mapping audiodev blockdev-backup object.qapified compat-deprecated \
    query-display-options device.json snapshot-internal-qmp";

/// Whether a name was once that of a flag.
pub fn retired(name: &str) -> bool {
    NAMES.split_ascii_whitespace().any(|known| known == name)
}
