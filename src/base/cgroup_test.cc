// Limits of both versions, of this group and of those above it.
#include "base/cgroup.h"

#include <gtest/gtest.h>

#include "base/fake_root_test_data.h"

namespace fathom::base {
namespace {

TEST(Cgroup, TakesTheLeastLimitOfVersion2) {
  FakeRoot root;
  root.write("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
  root.write("/proc/self/cgroup", "0::/a.slice/b.scope\n");
  root.write("/sys/fs/cgroup/a.slice/memory.max", "1000\n");
  root.write("/sys/fs/cgroup/a.slice/memory.current", "900\n");
  root.write("/sys/fs/cgroup/a.slice/memory.stat", "anon 500\ninactive_file 300\n");
  root.write("/sys/fs/cgroup/a.slice/b.scope/memory.max", "max\n");
  root.write("/sys/fs/cgroup/a.slice/b.scope/memory.events", "low 0\noom 4\noom_kill 3\n");
  root.write("/sys/fs/cgroup/a.slice/b.scope/cpu.max", "150000 100000\n");
  root.write("/sys/fs/cgroup/a.slice/b.scope/cpu.stat", "nr_periods 9\nnr_throttled 5\n");
  const CgroupMemory memory = cgroup_memory(root.files());
  EXPECT_EQ(memory.limit_bytes, 1000);
  EXPECT_EQ(memory.used_bytes, 900);
  EXPECT_EQ(memory.inactive_file_bytes, 300);
  EXPECT_EQ(memory.oom_kills, 3);
  EXPECT_DOUBLE_EQ(*cgroup_cpu(root.files()).quota_cpus, 1.5);
  EXPECT_EQ(cgroup_cpu(root.files()).throttled_periods, 5);
}

TEST(Cgroup, ReadsVersion1) {
  FakeRoot root;
  root.write("/proc/self/cgroup", "4:memory:/gone/on/the/host\n3:cpu,cpuacct:/\n");
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  root.write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_memory(root.files()).limit_bytes, kUnlimited);
  EXPECT_DOUBLE_EQ(*cgroup_cpu(root.files()).quota_cpus, 2);
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n");
  root.write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  root.write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "4000\n");
  root.write("/sys/fs/cgroup/memory/memory.stat", "inactive_file 7\ntotal_inactive_file 900\n");
  EXPECT_EQ(cgroup_memory(root.files()).limit_bytes, 4096);
  EXPECT_EQ(cgroup_memory(root.files()).used_bytes, 4000);
  EXPECT_EQ(cgroup_memory(root.files()).inactive_file_bytes, 900);
  EXPECT_DOUBLE_EQ(*cgroup_cpu(root.files()).quota_cpus, kUnlimited);
}

}  // namespace
}  // namespace fathom::base
