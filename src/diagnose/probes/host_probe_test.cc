// HostFacts from folders that stand for machines.
#include "diagnose/probes/host_probe.h"

#include <gtest/gtest.h>

#include <string>

#include "base/fake_root_test_data.h"

namespace fathom::diagnose {
namespace {

using base::FakeRoot;

TEST(HostProbe, OfAnEmptyRootKnowsNothing) {
  const FakeRoot root;
  const HostFacts host = probe_host({.root = root.path(), .storage = {{"model", "/m", 1}}});
  EXPECT_FALSE(host.platform.kernel_release);
  EXPECT_FALSE(host.platform.is_wsl);
  EXPECT_FALSE(host.platform.num_nvidia_pci_devices);
  EXPECT_FALSE(host.memory.total_bytes);
  EXPECT_FALSE(host.memory.cgroup_limit_bytes);
  EXPECT_FALSE(host.memory.swap_users);
  EXPECT_FALSE(host.processor.numa_nodes);
  EXPECT_FALSE(host.limits.open_files);
  ASSERT_EQ(host.storage.size(), 1U);
  EXPECT_FALSE(host.storage[0].kind);
  EXPECT_FALSE(probe_xids(root.files()));
}

TEST(HostProbe, OfGarbageKnowsNothing) {
  FakeRoot root;
  for (const char* const name :
       {"/proc/meminfo", "/proc/self/limits", "/proc/self/cgroup", "/proc/self/mountinfo",
        "/proc/self/status", "/proc/pressure/memory", "/sys/devices/system/cpu/online",
        "/sys/devices/system/node/node0/distance", "/sys/fs/cgroup/cgroup.controllers",
        "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max", "/proc/loadavg", "/dev/kmsg"}) {
    root.write(name, std::string("\xff\x00MemTotal: -5 kB\nMax open files x\n:::\n- - -", 43));
  }
  const HostFacts host = probe_host({.root = root.path(), .storage = {{"model", "/m", 1}}});
  EXPECT_FALSE(host.memory.available_bytes);
  EXPECT_FALSE(host.processor.num_online);
  EXPECT_FALSE(host.processor.load_1_min);
  EXPECT_FALSE(host.limits.open_files);
  EXPECT_TRUE(probe_xids(root.files())->empty());
}

TEST(HostProbe, ReadsMemoryAndSwap) {
  FakeRoot root;
  root.write("/proc/meminfo",
             "MemTotal:       16384 kB\nMemAvailable:    8192 kB\nSwapTotal:       4096 kB\n"
             "SwapFree:        1024 kB\n");
  root.write("/proc/77/status", "Name:\tjava\nVmSwap:\t    2048 kB\n");
  root.write("/proc/77/comm", "java\n");
  root.write("/proc/78/status", "Name:\tx\nVmSwap:\t       0 kB\n");
  root.write("/proc/pressure/memory", "some avg10=12.50 avg60=0 avg300=0 total=1\n");
  root.write("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  const MemoryFacts memory = probe_memory(root.files());
  EXPECT_EQ(memory.total_bytes, 16384 << 10);
  EXPECT_EQ(memory.available_bytes, 8192 << 10);
  EXPECT_EQ(memory.swap_used_bytes, 3072 << 10);
  ASSERT_EQ(memory.swap_users->size(), 1U);
  EXPECT_EQ(memory.swap_users->front().pid, 77);
  EXPECT_EQ(memory.swap_users->front().name, "java");
  EXPECT_DOUBLE_EQ(*memory.pressure_percent, 12.5);
  EXPECT_EQ(memory.transparent_huge_pages, "never");
}

TEST(HostProbe, KnowsPlatforms) {
  FakeRoot root;
  EXPECT_EQ(probe_platform(root.files(), {}).container, "none");
  EXPECT_EQ(probe_platform(root.files(), {"KUBERNETES_SERVICE_HOST=1"}).container, "kubernetes");
  root.write("/proc/sys/kernel/osrelease", "5.15.153.1-Microsoft-standard-WSL2\n");
  root.write("/proc/device-tree/model", std::string("NVIDIA Jetson AGX Orin\0", 23));
  root.write("/proc/1/cgroup", "0::/docker/abc\n");
  root.write("/sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n");
  root.write("/sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n");
  root.write("/sys/bus/pci/devices/0000:01:00.1/vendor", "0x10de\n");
  root.write("/sys/bus/pci/devices/0000:01:00.1/class", "0x040300\n");
  root.write("/dev/nvidia0", "");
  root.write("/dev/nvidiactl", "");
  const PlatformFacts platform = probe_platform(root.files(), {});
  EXPECT_TRUE(*platform.is_wsl);
  EXPECT_EQ(platform.jetson_model, "NVIDIA Jetson AGX Orin");
  EXPECT_EQ(platform.container, "docker");
  EXPECT_EQ(platform.num_nvidia_pci_devices, 1);
  EXPECT_EQ(platform.num_nvidia_device_nodes, 1);
}

TEST(HostProbe, ReadsProcessorsAndLimits) {
  FakeRoot root;
  root.write("/sys/devices/system/cpu/online", "0-3,8\n");
  root.write("/proc/cpuinfo", "processor\t: 0\nmodel name\t: A chip\n");
  root.write("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t1-2\n");
  root.write("/proc/loadavg", "1.50 1.00 0.50 1/100 123\n");
  root.write("/sys/devices/system/node/node1/cpulist", "8\n");
  root.write("/sys/devices/system/node/node1/distance", "21 10\n");
  root.write("/sys/devices/system/node/node1/meminfo", "Node 1 MemTotal:  2048 kB\n");
  root.write("/proc/self/limits",
             "Limit                     Soft Limit           Hard Limit           Units     \n"
             "Max open files            1024                 4096                 files     \n"
             "Max locked memory         65536                65536                bytes     \n"
             "Max address space         unlimited            unlimited            bytes     \n");
  const ProcessorFacts processor = probe_processor(root.files());
  EXPECT_EQ(processor.num_online, 5);
  EXPECT_EQ(processor.model, "A chip");
  EXPECT_EQ(processor.allowed, "1-2");
  EXPECT_DOUBLE_EQ(*processor.load_1_min, 1.5);
  ASSERT_EQ(processor.numa_nodes->size(), 1U);
  EXPECT_EQ(processor.numa_nodes->front().memory_total_bytes, 2048 << 10);
  EXPECT_EQ(*processor.numa_nodes->front().distances, (std::vector<std::int64_t>{21, 10}));
  const LimitFacts limits = probe_limits(root.files());
  EXPECT_EQ(limits.open_files, 1024);
  EXPECT_EQ(limits.open_files_hard, 4096);
  EXPECT_EQ(limits.locked_memory_bytes, 65536);
  EXPECT_EQ(limits.address_space_bytes, kUnlimited);
}

TEST(HostProbe, TellsKindsOfDisks) {
  FakeRoot root;
  root.write("/proc/self/mountinfo",
             "1 0 8:2 / / rw - ext4 /dev/sda2 rw\n"
             "2 1 259:1 / /fast rw shared:1 - xfs /dev/nvme0n1p1 rw\n"
             "3 1 253:0 / /crypt rw - ext4 /dev/mapper/data rw\n"
             "4 1 0:50 / /far rw - nfs4 host:/x rw\n"
             "5 1 0:51 / /dev/shm rw - tmpfs tmpfs rw\n"
             "6 1 0:52 / /mnt/c rw - 9p drvfs rw\n"
             "7 1 8:18 / /with\\040space rw - ext4 /dev/sdb2 rw\n");
  root.write("/sys/dev/block/8:2/uevent", "MAJOR=8\nDEVNAME=sda2\n");
  root.write("/sys/block/sda/device/vendor", "ATA     \n");
  root.write("/sys/block/sda/queue/rotational", "0\n");
  root.write("/sys/block/sdb/device/vendor", "ATA     \n");
  root.write("/sys/block/sdb/queue/rotational", "1\n");
  root.write("/sys/dev/block/253:0/uevent", "DEVNAME=dm-0\n");
  root.write("/sys/block/dm-0/slaves/nvme0n1p1/x", "");
  root.write("/sys/block/nvme0n1/queue/rotational", "0\n");
  const auto kind = [&](const char* path) {
    return probe_storage(root.files(), {.purpose = "model", .path = path}).kind.value_or("?");
  };
  EXPECT_EQ(kind("/home/x"), "sata ssd");
  EXPECT_EQ(kind("/fast/models"), "nvme");
  EXPECT_EQ(kind("/fasting"), "sata ssd");
  EXPECT_EQ(kind("/crypt"), "nvme");
  EXPECT_EQ(kind("/far/models"), "network");
  EXPECT_EQ(kind("/dev/shm/models"), "memory");
  EXPECT_EQ(kind("/mnt/c/models"), "windows drive");
  EXPECT_EQ(kind("/with space/models"), "hard disk");
}

TEST(HostProbe, RecordsNoSecrets) {
  const FakeRoot root;
  const HostFacts host =
      probe_host({.root = root.path(),
                  .environment = {"HF_TOKEN=secret", "NCCL_DEBUG=INFO", "NVIDIA_API_KEY=secret",
                                  "CUDA_X", "=", "CUDA_VISIBLE_DEVICES="}});
  ASSERT_EQ(host.environment->size(), 2U);
  EXPECT_EQ(host.environment->at(0).name, "NCCL_DEBUG");
  EXPECT_EQ(host.environment->at(1).value, "");
}

TEST(KernelLog, FindsXids) {
  FakeRoot root;
  root.write("/dev/kmsg",
             "6,1,5,-;NVRM: loading\n"
             "3,2,6,-;NVRM: Xid (PCI:0000:1b:00): 31, pid=12, name=x, MMU fault\n"
             "3,3,7,-;NVRM: Xid (PCI:0000:1b:00): 31, pid=13, name=y, MMU fault\n"
             "3,4,8,-;NVRM: Xid (PCI:0000:43:00): 79, GPU has fallen off the bus.\n"
             "3,5,9,-;NVRM: Xid (PCI:bad\n");
  const auto xids = probe_xids(root.files());
  ASSERT_TRUE(xids);
  const auto& first = xids->at(short_pci_address("00000000:1B:00.0"));
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].code, 31);
  EXPECT_EQ(first[0].count, 2);
  EXPECT_EQ(xids->at("0000:43:00").front().code, 79);
}

}  // namespace
}  // namespace fathom::diagnose
