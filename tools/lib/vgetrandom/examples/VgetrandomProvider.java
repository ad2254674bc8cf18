// SPDX-License-Identifier: MIT

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.security.Provider;
import java.security.ProviderException;
import java.security.SecureRandomSpi;
import java.util.List;
import java.util.Map;

/**
 * A SecureRandom that draws from libvgetrandom, without JNI. It needs JDK 22 or later, and
 * libvgetrandom.so.0 in a directory that the dynamic loader searches.
 *
 * For one object:
 *
 *	SecureRandom random = SecureRandom.getInstance("vgetrandom", new VgetrandomProvider());
 *
 * For every later "new SecureRandom()":
 *
 *	Security.insertProviderAt(new VgetrandomProvider(), 1);
 *
 * Run the program with --enable-native-access=ALL-UNNAMED, or Java prints a warning.
 */
public final class VgetrandomProvider extends Provider {
	private static final long serialVersionUID = 1;

	public VgetrandomProvider()
	{
		super("Vgetrandom", "1", "SecureRandom from libvgetrandom");
		// Without this attribute SecureRandom takes a lock in each call.
		putService(new Service(this, "SecureRandom", "vgetrandom", Random.class.getName(),
				       List.of(), Map.of("ThreadSafe", "true")));
	}

	/** The implementation. It has no state, because the library has one for each thread. */
	public static final class Random extends SecureRandomSpi {
		private static final long serialVersionUID = 1;
		private static final int MAX = 4096;
		private static final int EINTR = 4;

		private static final Linker LINKER = Linker.nativeLinker();
		private static final MemorySegment FUNCTION =
			SymbolLookup.libraryLookup("libvgetrandom.so.0", Arena.global())
				.find("vgetrandom").orElseThrow();
		private static final FunctionDescriptor TYPE =
			FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.ADDRESS,
					      ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT);
		/*
		 * Writes directly to the array, so that no copy of the bytes stays in memory. The
		 * garbage collector waits for the end of such a call. So calls are limited to MAX
		 * bytes, and WAIT makes those that may block.
		 */
		private static final MethodHandle FILL =
			LINKER.downcallHandle(FUNCTION, TYPE, Linker.Option.critical(true));
		/* An ordinary call, which may block and saves errno. */
		private static final MethodHandle WAIT =
			LINKER.downcallHandle(FUNCTION, TYPE,
					      Linker.Option.captureCallState("errno"));
		private static final MemoryLayout STATE = Linker.Option.captureStateLayout();
		private static final VarHandle ERRNO =
			STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));

		/** Waits until the kernel's generator is seeded, early after boot. */
		public Random()
		{
			waitUntilReady();
		}

		private static void waitUntilReady()
		{
			try (Arena arena = Arena.ofConfined()) {
				MemorySegment state = arena.allocate(STATE);
				MemorySegment unused = arena.allocate(1);

				while ((long)WAIT.invokeExact(state, unused, 1L, 0) != 1) {
					int errno = (int)ERRNO.get(state, 0L);

					if (errno != EINTR)
						throw new ProviderException("vgetrandom() failed: "
									    + "errno " + errno);
				}
			} catch (RuntimeException | Error e) {
				throw e;
			} catch (Throwable e) {
				throw new ProviderException(e);
			}
		}

		private static long fill(MemorySegment bytes)
		{
			try {
				return (long)FILL.invokeExact(bytes, bytes.byteSize(), 0);
			} catch (RuntimeException | Error e) {
				throw e;
			} catch (Throwable e) {
				throw new ProviderException(e);
			}
		}

		@Override
		protected void engineNextBytes(byte[] bytes)
		{
			MemorySegment all = MemorySegment.ofArray(bytes);
			boolean failed = false;

			for (int done = 0; done < bytes.length; ) {
				int len = Math.min(bytes.length - done, MAX);
				long ret = fill(all.asSlice(done, len));

				if (ret > 0) {
					done += (int)ret;
					failed = false;
				} else if (failed) {
					throw new ProviderException("vgetrandom() failed");
				} else {
					// Throws if the error persists.
					waitUntilReady();
					failed = true;
				}
			}
		}

		@Override
		protected byte[] engineGenerateSeed(int len)
		{
			byte[] bytes = new byte[len];

			engineNextBytes(bytes);
			return bytes;
		}

		/** Does nothing: the kernel seeds the generator. */
		@Override
		protected void engineSetSeed(byte[] seed)
		{
		}
	}
}
