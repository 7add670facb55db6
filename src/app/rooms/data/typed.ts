import { useSignal } from "@preact/signals";

type Field = HTMLInputElement | HTMLTextAreaElement;

/**
 * The properties of a field whose text counts when it is left or Enter is pressed. What is being typed
 * stays, whatever else on the page changes in the meantime.
 */
export function useTyped(value: string, commit: (text: string) => Promise<void>) {
  const typed = useSignal<string | undefined>(undefined);
  return {
    value: typed.value ?? value,
    onInput: ({ currentTarget }: { currentTarget: Field }) => typed.value = currentTarget.value,
    onChange: async ({ currentTarget }: { currentTarget: Field }) => {
      await commit(currentTarget.value);
      typed.value = undefined;
    },
  };
}
