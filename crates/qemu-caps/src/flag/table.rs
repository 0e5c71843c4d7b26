//! The flags: name in the cache document, and where it is seen. In the order of the cache document.

use super::Source as S;

macro_rules! flags {
    ($($flag:ident $name:literal => $source:expr;)*) => {
        /// Something an emulator can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Flag {
            $(#[doc = concat!("`", $name, "`")] $flag,)*
        }

        impl Flag {
            /// All flags, in the order of the cache document.
            pub const ALL: &[Flag] = &[$(Flag::$flag,)*];

            /// Its name in the cache document.
            pub const fn name(self) -> &'static str {
                match self { $(Flag::$flag => $name,)* }
            }

            /// Where it is seen.
            pub const fn source(self) -> S {
                match self { $(Flag::$flag => $source,)* }
            }
        }
    };
}

flags! {
    Kvm "kvm" => S::Kvm;
    Sdl "sdl" => S::Schema("query-display-options/ret-type/+sdl");
    Spice "spice" => S::Option("spice", "");
    HdaDuplex "hda-duplex" => S::Type(&["hda-duplex"]);
    CcidEmulated "ccid-emulated" => S::Type(&["ccid-card-emulated"]);
    CcidPassthru "ccid-passthru" => S::Type(&["ccid-card-passthru"]);
    Piix3UsbUhci "piix3-usb-uhci" => S::Type(&["piix3-usb-uhci"]);
    Piix4UsbUhci "piix4-usb-uhci" => S::Type(&["piix4-usb-uhci"]);
    UsbEhci "usb-ehci" => S::Type(&["usb-ehci"]);
    Ich9UsbEhci1 "ich9-usb-ehci1" => S::Type(&["ich9-usb-ehci1"]);
    Vt82c686bUsbUhci "vt82c686b-usb-uhci" => S::Type(&["vt82c686b-usb-uhci"]);
    PciOhci "pci-ohci" => S::Type(&["pci-ohci"]);
    UsbRedir "usb-redir" => S::Type(&["usb-redir"]);
    UsbHub "usb-hub" => S::Type(&["usb-hub"]);
    Ich9Ahci "ich9-ahci" => S::Type(&["ich9-ahci"]);
    VirtioBlkPciScsi "virtio-blk-pci.scsi" => S::Property(&["virtio-blk-pci"], "scsi");
    ScsiDiskChannel "scsi-disk.channel" => S::Property(&["scsi-hd"], "channel");
    ScsiBlock "scsi-block" => S::Type(&["scsi-block"]);
    HdaMicro "hda-micro" => S::Type(&["hda-micro"]);
    NecUsbXhci "nec-usb-xhci" => S::Type(&["nec-usb-xhci"]);
    Lsi "lsi" => S::Type(&["lsi53c895a"]);
    VirtioScsiPci "virtio-scsi-pci" => S::Type(&["virtio-scsi-pci"]);
    UsbRedirFilter "usb-redir.filter" => S::Property(&["usb-redir"], "filter");
    SeccompSandbox "seccomp-sandbox" => S::Option("sandbox", "enable");
    Vnc "vnc" => S::Option("vnc", "");
    Qxl "qxl" => S::Type(&["qxl"]);
    Vga "VGA" => S::Type(&["VGA"]);
    CirrusVga "cirrus-vga" => S::Type(&["cirrus-vga"]);
    VmwareSvga "vmware-svga" => S::Type(&["vmware-svga"]);
    S390Sclp "s390-sclp" => S::Type(&["s390-sclp-event-facility"]);
    UsbSerial "usb-serial" => S::Type(&["usb-serial"]);
    VirtioRng "virtio-rng" => S::Type(&["virtio-rng-device"]);
    RngRandom "rng-random" => S::Type(&["rng-random"]);
    RngEgd "rng-egd" => S::Type(&["rng-egd"]);
    VirtioCcw "virtio-ccw" => S::Type(&["virtio-blk-ccw"]);
    Megasas "megasas" => S::Type(&["megasas"]);
    TpmPassthrough "tpm-passthrough" => S::TpmType("passthrough");
    TpmTis "tpm-tis" => S::TpmModel("tpm-tis");
    Nvram "nvram" => S::Type(&["spapr-nvram"]);
    PciBridge "pci-bridge" => S::Type(&["pci-bridge"]);
    VfioPci "vfio-pci" => S::Type(&["vfio-pci"]);
    DmiToPciBridge "dmi-to-pci-bridge" => S::Type(&["i82801b11-bridge"]);
    UsbStorage "usb-storage" => S::Type(&["usb-storage"]);
    VirtioMmio "virtio-mmio" => S::Type(&["virtio-mmio"]);
    Ich9IntelHda "ich9-intel-hda" => S::Type(&["ich9-intel-hda"]);
    KvmPitLostTickPolicy "kvm-pit-lost-tick-policy" => S::Property(&["kvm-pit"], "lost_tick_policy");
    Pvpanic "pvpanic" => S::Type(&["pvpanic"]);
    UsbKbd "usb-kbd" => S::Type(&["usb-kbd"]);
    UsbAudio "usb-audio" => S::Type(&["usb-audio"]);
    RtcResetReinjection "rtc-reset-reinjection" => S::Schema("rtc-reset-reinjection");
    MigrateRdma "migrate-rdma" => S::Migration("rdma-pin-all");
    VgaVgamemMb "VGA.vgamem_mb" => S::Property(&["VGA"], "vgamem_mb");
    VmwareSvgaVgamemMb "vmware-svga.vgamem_mb" => S::Property(&["vmware-svga"], "vgamem_mb");
    QxlVgamemMb "qxl.vgamem_mb" => S::Property(&["qxl"], "vgamem_mb");
    PcDimm "pc-dimm" => S::Type(&["pc-dimm"]);
    MachineVmportOpt "machine-vmport-opt" => S::Machine("generic-pc", "vmport");
    PciSerial "pci-serial" => S::Type(&["pci-serial"]);
    Ioh3420 "ioh3420" => S::Type(&["ioh3420"]);
    X3130Upstream "x3130-upstream" => S::Type(&["x3130-upstream"]);
    Xio3130Downstream "xio3130-downstream" => S::Type(&["xio3130-downstream"]);
    Rtl8139 "rtl8139" => S::Type(&["rtl8139"]);
    E1000 "e1000" => S::Type(&["e1000"]);
    VirtioNet "virtio-net" => S::Type(&["virtio-net-device"]);
    VirtioGpu "virtio-gpu" => S::Type(&["virtio-gpu-device"]);
    VirtioGpuVirgl "virtio-gpu.virgl" =>
        S::Property(&["virtio-gpu-pci", "virtio-gpu-device", "virtio-gpu-ccw"], "virgl");
    VirtioKeyboard "virtio-keyboard" => S::Type(&["virtio-keyboard-device"]);
    VirtioMouse "virtio-mouse" => S::Type(&["virtio-mouse-device"]);
    VirtioTablet "virtio-tablet" => S::Type(&["virtio-tablet-device"]);
    VirtioInputHost "virtio-input-host" => S::Type(&["virtio-input-host-device"]);
    VirtioBalloonPciDeflateOnOom "virtio-balloon-pci.deflate-on-oom" =>
        S::Property(&["virtio-balloon-pci", "virtio-balloon-ccw", "virtio-balloon-device"], "deflate-on-oom");
    Mptsas1068 "mptsas1068" => S::Type(&["mptsas1068"]);
    SpiceGl "spice-gl" => S::Option("spice", "gl");
    QxlVram64SizeMb "qxl.vram64_size_mb" => S::Property(&["qxl"], "vram64_size_mb");
    Pxb "pxb" => S::Type(&["pxb"]);
    PxbPcie "pxb-pcie" => S::Type(&["pxb-pcie"]);
    IntelIommu "intel-iommu" => S::Type(&["intel-iommu"]);
    VirtioVga "virtio-vga" => S::Type(&["virtio-vga"]);
    IvshmemPlain "ivshmem-plain" => S::Type(&["ivshmem-plain"]);
    IvshmemDoorbell "ivshmem-doorbell" => S::Type(&["ivshmem-doorbell"]);
    VhostScsi "vhost-scsi" => S::Type(&["vhost-scsi"]);
    QueryCpuModelExpansion "query-cpu-model-expansion" => S::Schema("query-cpu-model-expansion");
    SpiceRendernode "spice-rendernode" => S::Option("spice", "rendernode");
    Nvdimm "nvdimm" => S::Type(&["nvdimm"]);
    PcieRootPort "pcie-root-port" => S::Type(&["pcie-root-port"]);
    QueryCpuDefinitions "query-cpu-definitions" => S::Schema("query-cpu-definitions");
    QemuXhci "qemu-xhci" => S::Type(&["qemu-xhci"]);
    IntelIommuIntremap "intel-iommu.intremap" => S::Property(&["intel-iommu"], "intremap");
    IntelIommuCachingMode "intel-iommu.caching-mode" => S::Property(&["intel-iommu"], "caching-mode");
    IntelIommuEim "intel-iommu.eim" => S::Property(&["intel-iommu"], "eim");
    IntelIommuDeviceIotlb "intel-iommu.device-iotlb" => S::Property(&["intel-iommu"], "device-iotlb");
    SpaprPciHostBridge "spapr-pci-host-bridge" => S::Type(&["spapr-pci-host-bridge"]);
    SpaprPciHostBridgeNumaNode "spapr-pci-host-bridge.numa_node" =>
        S::Property(&["spapr-pci-host-bridge"], "numa_node");
    ChardevReconnect "chardev-reconnect" =>
        S::Schema("chardev-add/arg-type/backend/+socket/data/reconnect");
    Vmcoreinfo "vmcoreinfo" => S::Type(&["vmcoreinfo"]);
    SpaprVty "spapr-vty" => S::Type(&["spapr-vty"]);
    Sclplmconsole "sclplmconsole" => S::Type(&["sclplmconsole"]);
    IsaSerial "isa-serial" => S::Type(&["isa-serial"]);
    Pl011 "pl011" => S::Type(&["pl011"]);
    VirtioGpuCcw "virtio-gpu-ccw" => S::Type(&["virtio-gpu-ccw"]);
    VirtioKeyboardCcw "virtio-keyboard-ccw" => S::Type(&["virtio-keyboard-ccw"]);
    VirtioMouseCcw "virtio-mouse-ccw" => S::Type(&["virtio-mouse-ccw"]);
    VirtioTabletCcw "virtio-tablet-ccw" => S::Type(&["virtio-tablet-ccw"]);
    PciePciBridge "pcie-pci-bridge" => S::Type(&["pcie-pci-bridge"]);
    NbdTls "nbd-tls" => S::Schema("blockdev-add/arg-type/+nbd/tls-creds");
    TpmCrb "tpm-crb" => S::TpmModel("tpm-crb");
    PrManagerHelper "pr-manager-helper" => S::Type(&["pr-manager-helper"]);
    VfioCcw "vfio-ccw" => S::Type(&["vfio-ccw"]);
    ScreendumpDevice "screendump_device" => S::Schema("screendump/arg-type/device");
    HdaOutput "hda-output" => S::Type(&["hda-output"]);
    Vmgenid "vmgenid" => S::Type(&["vmgenid"]);
    VhostVsock "vhost-vsock" => S::Type(&["vhost-vsock-device"]);
    TpmEmulator "tpm-emulator" => S::TpmType("emulator");
    Mch "mch" => S::Type(&["mch"]);
    MchExtendedTsegMbytes "mch.extended-tseg-mbytes" => S::Property(&["mch"], "extended-tseg-mbytes");
    SevGuest "sev-guest" => S::Type(&["sev-guest"]);
    EglHeadless "egl-headless" => S::Schema("query-display-options/ret-type/+egl-headless");
    VfioAp "vfio-ap" => S::Type(&["vfio-ap"]);
    Zpci "zpci" => S::Type(&["zpci"]);
    MemoryBackendMemfd "memory-backend-memfd" => S::Type(&["memory-backend-memfd"]);
    MemoryBackendMemfdHugetlb "memory-backend-memfd.hugetlb" =>
        S::Property(&["memory-backend-memfd"], "hugetlb");
    EglHeadlessRendernode "egl-headless.rendernode" =>
        S::Schema("query-display-options/ret-type/+egl-headless/rendernode");
    MemoryBackendFilePmem "memory-backend-file.pmem" => S::Property(&["memory-backend-file"], "pmem");
    NvdimmUnarmed "nvdimm.unarmed" => S::Property(&["nvdimm"], "unarmed");
    VirtioPciNonTransitional "virtio-pci-non-transitional" =>
        S::Type(&["virtio-blk-pci-non-transitional"]);
    MachineVirtIommu "machine.virt.iommu" => S::Machine("virt", "iommu");
    X86MaxCpu "x86-max-cpu" => S::Type(&["max-x86_64-cpu"]);
    CpuUnavailableFeatures "cpu-unavailable-features" =>
        S::Property(&["max-x86_64-cpu"], "unavailable-features");
    CanonicalCpuFeatures "canonical-cpu-features" => S::Type(&["max-x86_64-cpu"]);
    BochsDisplay "bochs-display" => S::Type(&["bochs-display"]);
    MigrationFileDropCache "migration-file-drop-cache" =>
        S::Schema("blockdev-add/arg-type/+file/drop-cache");
    DbusVmstate "dbus-vmstate" => S::Type(&["dbus-vmstate"]);
    VhostUserGpu "vhost-user-gpu" => S::Type(&["vhost-user-gpu"]);
    VhostUserVga "vhost-user-vga" => S::Type(&["vhost-user-vga"]);
    QueryCpuModelBaseline "query-cpu-model-baseline" => S::Schema("query-cpu-model-baseline");
    QueryCpuModelComparison "query-cpu-model-comparison" => S::Schema("query-cpu-model-comparison");
    Ramfb "ramfb" => S::Type(&["ramfb"]);
    ArmMaxCpu "arm-max-cpu" => S::Type(&["max-arm-cpu"]);
    DriveNvme "drive-nvme" => S::Schema("blockdev-add/arg-type/+nvme");
    SmpDies "smp-dies" => S::Option("smp-opts", "dies");
    I8042 "i8042" => S::Type(&["i8042"]);
    RngBuiltin "rng-builtin" => S::Type(&["rng-builtin"]);
    TpmSpapr "tpm-spapr" => S::TpmModel("tpm-spapr");
    CpuKvmNoAdjvtime "cpu.kvm-no-adjvtime" => S::Property(&["max-arm-cpu"], "kvm-no-adjvtime");
    VhostUserFs "vhost-user-fs" => S::Type(&["vhost-user-fs-device"]);
    FsdevMultidevs "fsdev.multidevs" => S::Option("fsdev", "multidevs");
    PcieRootPortHotplug "pcie-root-port.hotplug" => S::Property(&["pcie-root-port"], "hotplug");
    AioIoUring "aio.io_uring" => S::Schema("blockdev-add/arg-type/+file/aio/^io_uring");
    Tcg "tcg" => S::Type(&["tcg-accel"]);
    VirtioBlkPciScsiDefaultDisabled "virtio-blk-pci.scsi.default.disabled" =>
        S::Default(&["virtio-blk-pci"], "scsi", "false");
    Pvscsi "pvscsi" => S::Type(&["pvscsi"]);
    CpuMigratable "cpu.migratable" => S::Property(&["max-x86_64-cpu"], "migratable");
    IntelIommuAwBits "intel-iommu.aw-bits" => S::Property(&["intel-iommu"], "aw-bits");
    SpaprTpmProxy "spapr-tpm-proxy" => S::Type(&["spapr-tpm-proxy"]);
    NumaHmat "numa.hmat" => S::Schema("set-numa-node/arg-type/+hmat-lb");
    UsbHostHostdevice "usb-host.hostdevice" => S::Property(&["usb-host"], "hostdevice");
    VirtioBalloonFreePageReporting "virtio-balloon.free-page-reporting" =>
        S::Property(&["virtio-balloon-pci", "virtio-balloon-ccw", "virtio-balloon-device"], "free-page-reporting");
    NetdevVhostVdpa "netdev.vhost-vdpa" => S::Schema("netdev_add/arg-type/+vhost-vdpa");
    Ncr53c90 "ncr53c90" => S::Arch("sparc");
    Dc390 "dc390" => S::Type(&["dc390"]);
    Am53c974 "am53c974" => S::Type(&["am53c974"]);
    VirtioPmemPci "virtio-pmem-pci" => S::Type(&["virtio-pmem-pci"]);
    VhostUserFsBootindex "vhost-user-fs.bootindex" =>
        S::Property(&["vhost-user-fs-device"], "bootindex");
    VhostUserBlk "vhost-user-blk" => S::Type(&["vhost-user-blk"]);
    CpuMax "cpu-max" => S::CpuModel("max");
    MemoryBackendFileXUseCanonicalPathForRamblockId "memory-backend-file.x-use-canonical-path-for-ramblock-id" =>
        S::Property(&["memory-backend-file"], "x-use-canonical-path-for-ramblock-id");
    VncPowerControl "vnc-power-control" => S::Option("vnc", "power-control");
    RotationRate "rotation-rate" => S::Property(&["scsi-hd", "ide-hd"], "rotation_rate");
    AcpiIndex "acpi-index" =>
        S::Property(&["virtio-blk-pci", "virtio-net-pci", "virtio-scsi-pci", "vfio-pci"], "acpi-index");
    InputLinux "input-linux" => S::Type(&["input-linux"]);
    VirtioGpuGlPci "virtio-gpu-gl-pci" => S::Type(&["virtio-gpu-gl-pci"]);
    VirtioVgaGl "virtio-vga-gl" => S::Type(&["virtio-vga-gl"]);
    ConfidentialGuestSupport "confidential-guest-support" =>
        S::Machine("none", "confidential-guest-support");
    S390PvGuest "s390-pv-guest" => S::Type(&["s390-pv-guest"]);
    SetAction "set-action" => S::Schema("set-action");
    VirtioBlkQueueSize "virtio-blk.queue-size" =>
        S::Property(&["virtio-blk-pci", "virtio-blk-ccw"], "queue-size");
    VirtioMemPci "virtio-mem-pci" => S::Type(&["virtio-mem-pci"]);
    MemoryBackendFileReserve "memory-backend-file.reserve" =>
        S::Property(&["memory-backend-file"], "reserve");
    Piix4AcpiRootPciHotplug "piix4.acpi-root-pci-hotplug" =>
        S::Property(&["PIIX4_PM"], "acpi-root-pci-hotplug");
    NetdevJson "netdev.json" => S::Schema("netdev_add/arg-type/+dgram");
    ChardevJson "chardev.json" => S::Nowhere;
    QueryDirtyRate "query-dirty-rate" => S::Schema("query-dirty-rate");
    RbdEncryption "rbd-encryption" => S::Schema("blockdev-add/arg-type/+rbd/encrypt");
    SevGuestKernelHashes "sev-guest-kernel-hashes" =>
        S::Schema("object-add/arg-type/+sev-guest/kernel-hashes");
    SevInjectLaunchSecret "sev-inject-launch-secret" => S::Schema("sev-inject-launch-secret");
    DeviceJsonHotplug "device.json+hotplug" => S::Schema("device_add/$json-cli-hotplug");
    Hvf "hvf" => S::Hvf;
    VirtioMemPciPrealloc "virtio-mem-pci.prealloc" => S::Property(&["virtio-mem-pci"], "prealloc");
    CalcDirtyRate "calc-dirty-rate" => S::Schema("calc-dirty-rate");
    DirtyrateParamMode "dirtyrate-param.mode" => S::Schema("calc-dirty-rate/arg-type/mode");
    BlockdevNbdTlsHostname "blockdev.nbd.tls-hostname" =>
        S::Schema("blockdev-add/arg-type/+nbd/tls-hostname");
    MemoryBackendFilePreallocThreads "memory-backend-file.prealloc-threads" =>
        S::Property(&["memory-backend-file"], "prealloc-threads");
    VirtioIommuPci "virtio-iommu-pci" => S::Type(&["virtio-iommu-pci"]);
    VirtioIommuBootBypass "virtio-iommu.boot-bypass" =>
        S::Property(&["virtio-iommu-pci"], "boot-bypass");
    VirtioNetRss "virtio-net.rss" => S::Property(&["virtio-net-pci", "virtio-net-ccw"], "rss");
    ChardevQemuVdagent "chardev.qemu-vdagent" =>
        S::Schema("chardev-add/arg-type/backend/type/^qemu-vdagent");
    DisplayDbus "display-dbus" => S::Schema("query-display-options/ret-type/+dbus");
    IothreadThreadPoolMax "iothread.thread-pool-max" =>
        S::Schema("object-add/arg-type/+iothread/thread-pool-max");
    UsbHostGuestResetsAll "usb-host.guest-resets-all" => S::Property(&["usb-host"], "guest-resets-all");
    MigrationBlockedReasons "migration.blocked-reasons" =>
        S::Schema("query-migrate/ret-type/blocked-reasons");
    QueryStats "query-stats" => S::Schema("query-stats");
    QueryStatsSchemas "query-stats-schemas" => S::Schema("query-stats-schemas");
    SgxEpc "sgx-epc" => S::Type(&["sgx-epc"]);
    ThreadContext "thread-context" => S::Type(&["thread-context"]);
    ScreenshotFormatPng "screenshot-format-png" => S::Schema("screendump/arg-type/format/^png");
    MachineHpet "machine-hpet" => S::Option("machine", "hpet");
    NetdevStream "netdev.stream" => S::Schema("netdev_add/arg-type/+stream");
    VirtioCrypto "virtio-crypto" => S::Type(&["virtio-crypto-device"]);
    CryptodevBackendLkcf "cryptodev-backend-lkcf" => S::Type(&["cryptodev-backend-lkcf"]);
    PvpanicPci "pvpanic-pci" => S::Type(&["pvpanic-pci"]);
    NetdevStreamReconnect "netdev.stream.reconnect" =>
        S::Schema("netdev_add/arg-type/+stream/reconnect");
    VirtioGpuBlob "virtio-gpu.blob" =>
        S::Property(&["virtio-gpu-pci", "virtio-gpu-device", "virtio-gpu-ccw"], "blob");
    RbdEncryptionLayering "rbd-encryption-layering" =>
        S::Schema("blockdev-add/arg-type/+rbd/encrypt/parent");
    RbdEncryptionLuksAny "rbd-encryption-luks-any" =>
        S::Schema("blockdev-add/arg-type/+rbd/encrypt/format/^luks-any");
    Qcow2DiscardNoUnref "qcow2-discard-no-unref" =>
        S::Schema("blockdev-add/arg-type/+qcow2/discard-no-unref");
    RunWithAsyncTeardown "run-with.async-teardown" => S::Option("run-with", "async-teardown");
    VirtioBlkVhostVdpa "virtio-blk-vhost-vdpa" =>
        S::Schema("blockdev-add/arg-type/+virtio-blk-vhost-vdpa/$fdset");
    VirtioBlkIothreadMapping "virtio-blk.iothread-mapping" =>
        S::Property(&["virtio-blk-pci", "virtio-blk-ccw"], "iothread-vq-mapping");
    SmpClusters "smp-clusters" => S::Schema("query-hotpluggable-cpus/ret-type/props/cluster-id");
    VirtioMemPciDynamicMemslots "virtio-mem-pci.dynamic-memslots" =>
        S::Property(&["virtio-mem-pci"], "dynamic-memslots");
    BlockjobBackingMaskProtocol "blockjob.backing-mask-protocol" =>
        S::Schema("block-commit/arg-type/backing-mask-protocol");
    DisplayReload "display-reload" => S::Schema("display-reload");
    UsbMtp "usb-mtp" => S::Type(&["usb-mtp"]);
    MachineVirtRas "machine.virt.ras" => S::Machine("virt", "ras");
    VirtioSound "virtio-sound" => S::Type(&["virtio-sound-device"]);
    SevSnpGuest "sev-snp-guest" => S::Type(&["sev-snp-guest"]);
    NetdevUser "netdev.user" => S::Schema("netdev_add/arg-type/+user");
    AcpiErst "acpi-erst" => S::Type(&["acpi-erst"]);
    IntelIommuDmaTranslation "intel-iommu.dma-translation" =>
        S::Property(&["intel-iommu"], "dma-translation");
    MachineI8042Opt "machine-i8042-opt" => S::Machine("generic-pc", "i8042");
    ChardevReconnectMilliseconds "chardev-reconnect-miliseconds" =>
        S::Schema("chardev-add/arg-type/backend/+socket/data/reconnect-ms");
    VirtioCcwLoadparm "virtio-ccw.loadparm" =>
        S::Property(&["virtio-blk-ccw", "virtio-net-ccw"], "loadparm");
    NetdevStreamReconnectMilliseconds "netdev-stream-reconnect-miliseconds" =>
        S::Schema("netdev_add/arg-type/+stream/reconnect-ms");
    QueryCpuModelExpansionDeprecatedProps "query-cpu-model-expansion.deprecated-props" =>
        S::Schema("query-cpu-model-expansion/ret-type/deprecated-props");
    MigrateIncomingExitOnError "migrate-incoming.exit-on-error" =>
        S::Schema("migrate-incoming/arg-type/exit-on-error");
    MachineVirtAia "machine.virt.aia" => S::Machine("virt", "aia");
    VirtioMemCcw "virtio-mem-ccw" => S::Type(&["virtio-mem-ccw"]);
    BlockdevSetActive "blockdev-set-active" => S::Schema("blockdev-set-active");
    Shim "shim" => S::Machine("none", "shim");
    VirtioScsiIothreadMapping "virtio-scsi.iothread-mapping" =>
        S::Property(&["virtio-scsi-pci", "virtio-scsi-ccw"], "iothread-vq-mapping");
}
